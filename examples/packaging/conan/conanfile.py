# SPDX-License-Identifier: MIT
"""Not tested here: a recipe for Conan 2 that takes the library from the folder that this file lies in:

  conan create examples/packaging/conan --build=missing
"""
import os
import re

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.files import copy, load

required_conan_version = ">=2.0"


class UltrafastbertConan(ConanFile):
    name = "ultrafastbert"
    description = "Inference of UltraFastBERT's fast feedforward networks and of BERT-like encoders on a CPU"
    license = "MIT"
    topics = ("bert", "inference", "tokenizer", "header-only")
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"with_blas": [True, False]}
    default_options = {"with_blas": False}
    no_copy_source = True

    @property
    def _root(self):
        return os.path.join(self.recipe_folder, "..", "..", "..")

    def set_version(self):
        header = load(self, os.path.join(self._root, "include", "ultrafastbert", "core", "version.hpp"))
        self.version = ".".join(re.findall(r"^#define UFB_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)$", header, re.MULTILINE))

    def export_sources(self):
        for pattern in ("include/*", "LICENSE"):
            copy(self, pattern, src=self._root, dst=self.export_sources_folder)

    def requirements(self):
        self.requires("eigen/[>=3.4 <4]")
        self.requires("nlohmann_json/[>=3.10 <4]")
        self.requires("utf8proc/[>=2.8 <3]")
        if self.options.with_blas:
            self.requires("openblas/[>=0.3 <1]")

    def validate(self):
        check_min_cppstd(self, 20)

    # One package for all settings. Which BLAS a program links is said by the consumer's definitions, below.
    def package_id(self):
        self.info.clear()

    def package(self):
        copy(self, "LICENSE", src=self.source_folder, dst=os.path.join(self.package_folder, "licenses"))
        for pattern in ("*.hpp", "*.inc"):
            copy(self, pattern, src=os.path.join(self.source_folder, "include"),
                 dst=os.path.join(self.package_folder, "include"))

    def package_info(self):
        self.cpp_info.set_property("cmake_file_name", "ultrafastbert")
        parts = {
            "layers": ["eigen::eigen"] + (["openblas::openblas"] if self.options.with_blas else []),
            "tokenizer": ["nlohmann_json::nlohmann_json", "utf8proc::utf8proc"],
            "everything": ["layers", "tokenizer"],
        }
        for part, requires in parts.items():
            component = self.cpp_info.components[part]
            component.requires = requires
            component.bindirs = []
            component.libdirs = []
            name = "ultrafastbert" if part == "everything" else part
            component.set_property("cmake_target_name", f"ultrafastbert::{name}")
            component.set_property("pkg_config_name", "ultrafastbert" if part == "everything" else f"ultrafastbert-{part}")
        layers = self.cpp_info.components["layers"]
        layers.defines = [f"UFB_WITH_CBLAS={1 if self.options.with_blas else 0}"]
        if self.settings.os == "Linux":
            layers.system_libs = ["pthread"]
