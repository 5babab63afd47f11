// SPDX-License-Identifier: MIT
//
// Trees as SVG: a node is the larger the more tokens visit it, an edge the wider, and under the leaves stand words that
// end there. Light and dark follow the browser's setting.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iomanip>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ultrafastbert/cmm/tree.hpp"

namespace examples {

/// One tree of one layer.
struct drawn_tree {
  std::string title{};
  std::size_t depth = 0;
  std::vector<std::uint64_t> visits{};    ///< of the nodes, level by level
  std::vector<std::string> leaf_words{};  ///< of the leaves from left to right; empty for none
};

/// Text within XML; what XML does not allow becomes U+FFFD. Pre: the text is UTF-8.
inline std::string xml_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '&') {
      out += "&amp;";
    } else if (c == '"') {
      out += "&quot;";
    } else if (byte < 0x20 && c != '\t') {
      out += "\xEF\xBF\xBD";
    } else {
      out += c;
    }
  }
  return out;
}

/// A text of at most so many characters, the last of which says that there are more. Pre: the text is UTF-8.
inline std::string shortened(const std::string& text, std::size_t most = 24) {
  std::size_t characters = 0;
  std::size_t end = 0;  // of all but the last that are allowed
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0U) == 0x80U) continue;
    if (++characters == most) end = i;
  }
  return characters <= most ? text : text.substr(0, end) + "\xE2\x80\xA6";
}

/// Draws trees one below another. Nodes that no token visits are left out of trees deeper than `whole_depth`.
class tree_drawing {
 public:
  explicit tree_drawing(std::span<const drawn_tree> trees) : trees_(trees) {
    for (const drawn_tree& tree : trees) {
      leaves_ = std::max(leaves_, ultrafastbert::cmm::tree::leaf_count(tree.depth));
      height_ += height_of(tree);
    }
    width_ = std::clamp(static_cast<double>(leaves_) * 13, 480.0, 1700.0);
  }

  void write(std::ostream& out) const {
    out << std::fixed << std::setprecision(1);
    out << "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" << width_ + 2 * margin << "\" height=\"" << height_
        << "\" viewBox=\"0 0 " << width_ + 2 * margin << ' ' << height_ << "\">\n"
        << "<style>\n"
           "svg { font-family: system-ui, sans-serif; }\n"
           ".back { fill: #fcfcfa; }\n"
           ".title { font-size: 14px; fill: #202124; }\n"
           ".words { font-size: 9px; fill: #3c4043; }\n"
           "path { stroke: #2f6fab; fill: none; stroke-linecap: round; }\n"
           "circle { fill: #2f6fab; stroke: #fcfcfa; stroke-width: 0.6; }\n"
           ".unused { stroke: #b8bdc2; stroke-width: 0.6; }\n"
           "circle.unused { fill: #fcfcfa; }\n"
           "@media (prefers-color-scheme: dark) {\n"
           ".back { fill: #16181b; }\n"
           ".title { fill: #e8eaed; }\n"
           ".words { fill: #bdc1c6; }\n"
           "path { stroke: #8ab8e6; }\n"
           "circle { fill: #8ab8e6; stroke: #16181b; }\n"
           ".unused { stroke: #555a60; }\n"
           "circle.unused { fill: #16181b; }\n"
           "}\n"
           "</style>\n"
           "<rect class=\"back\" width=\"100%\" height=\"100%\"/>\n";
    double top = 0;
    for (const drawn_tree& tree : trees_) {
      out << "<g transform=\"translate(" << margin << ' ' << top << ")\">\n";
      write(out, tree);
      out << "</g>\n";
      top += height_of(tree);
    }
    out << "</svg>\n";
  }

 private:
  static constexpr double margin = 24;
  static constexpr double head = 44;    // the title's room
  static constexpr double level = 46;   // from level to level
  static constexpr double words = 130;  // below the leaves
  static constexpr std::size_t whole_depth = 7;

  static double height_of(const drawn_tree& tree) { return head + level * static_cast<double>(tree.depth) + words; }

  void write(std::ostream& out, const drawn_tree& tree) const {
    namespace arithmetic = ultrafastbert::cmm::tree;
    out << "<text class=\"title\" y=\"22\">" << xml_text(tree.title) << "</text>\n";
    const auto tokens = static_cast<double>(std::max<std::uint64_t>(tree.visits.front(), 1));
    const auto x = [&](std::size_t node) {
      const std::size_t of_level = arithmetic::level_of(node);
      const auto place = static_cast<double>(node - arithmetic::first_of_level(of_level));
      return (place + 0.5) / static_cast<double>(std::size_t{1} << of_level) * width_;
    };
    const auto y = [&](std::size_t node) { return head + level * static_cast<double>(arithmetic::level_of(node)); };
    const auto shown = [&](std::size_t node) { return tree.depth <= whole_depth || tree.visits[node] != 0; };
    const auto share = [&](std::size_t node) { return std::sqrt(static_cast<double>(tree.visits[node]) / tokens); };
    const auto draw_edge = [&](std::size_t node) {
      const std::size_t parent = arithmetic::parent(node);
      const double middle = (y(parent) + y(node)) / 2;
      out << "<path " << (tree.visits[node] == 0 ? "class=\"unused\" " : "") << "d=\"M" << x(parent) << ' ' << y(parent)
          << " C" << x(parent) << ' ' << middle << ' ' << x(node) << ' ' << middle << ' ' << x(node) << ' ' << y(node)
          << '"';
      if (tree.visits[node] != 0) out << " stroke-width=\"" << 0.6 + 7 * share(node) << '"';
      out << "/>\n";
    };
    const double largest = std::clamp(width_ / static_cast<double>(std::size_t{1} << tree.depth) * 0.45, 1.2, 9.0);
    // What nobody uses lies below what is used.
    for (const bool used : {false, true}) {
      for (std::size_t node = 1; node < tree.visits.size(); ++node) {
        if (shown(node) && (tree.visits[node] != 0) == used) draw_edge(node);
      }
    }
    for (std::size_t node = 0; node < tree.visits.size(); ++node) {
      if (!shown(node)) continue;
      const bool used = tree.visits[node] != 0;
      out << "<circle " << (used ? "" : "class=\"unused\" ") << "cx=\"" << x(node) << "\" cy=\"" << y(node) << "\" r=\""
          << (used ? 1.2 + (largest - 1.0) * share(node) : 1.2) << "\"><title>node " << node << ": "
          << tree.visits[node] << " tokens</title></circle>\n";
    }
    const std::size_t first_leaf = arithmetic::first_of_level(tree.depth);
    if (width_ / static_cast<double>(tree.leaf_words.size()) < 9) return;  // they would lie on each other
    for (std::size_t leaf = 0; leaf < tree.leaf_words.size(); ++leaf) {
      if (tree.leaf_words[leaf].empty()) continue;
      const double left = x(first_leaf + leaf) - 3;
      const double below = y(first_leaf + leaf) + 14;
      out << "<text class=\"words\" transform=\"translate(" << left << ' ' << below << ") rotate(90)\">"
          << xml_text(shortened(tree.leaf_words[leaf])) << "</text>\n";
    }
  }

  std::span<const drawn_tree> trees_;
  std::size_t leaves_ = 1;
  double width_ = 0;
  double height_ = 0;
};

}  // namespace examples
