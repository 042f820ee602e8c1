//===- Recipe.cpp - Recipes: command lines as TOML files ------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Recipe.h"
#include "pcx/Data/File.h"
#include "pcx/Data/Text.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <optional>
#include <vector>

using namespace pcx;
using namespace pcx::experiment;

/// The value as a command line would have it, or nothing for a table, a date
/// and the like.
static std::optional<std::string> scalarText(const toml::node &node) {
  if (auto text = node.as_string())
    return text->get();
  if (auto number = node.as_integer())
    return std::to_string(number->get());
  if (auto number = node.as_floating_point())
    return fmt::format("{}", number->get());
  if (auto truth = node.as_boolean())
    return truth->get() ? "true" : "false";
  return std::nullopt;
}

/// The values of `set`: a table of numbers, or an array of "name=value".
static std::optional<std::vector<std::string>>
assignments(const toml::node &node) {
  std::vector<std::string> out;
  if (auto table = node.as_table()) {
    for (const auto &[name, value] : *table) {
      auto text = value.is_number() ? scalarText(value) : std::nullopt;
      if (!text)
        return std::nullopt;
      out.push_back(fmt::format("{}={}", std::string_view(name.str()), *text));
    }
    return out;
  }
  auto array = node.as_array();
  if (!array)
    return std::nullopt;
  for (const auto &entry : *array) {
    if (!entry.is_string())
      return std::nullopt;
    out.push_back(entry.as_string()->get());
  }
  return out;
}

/// The value of any other flag; an array is what the command line separates by
/// commas.
static std::optional<std::string> flagText(const toml::node &node) {
  auto array = node.as_array();
  if (!array)
    return scalarText(node);
  std::string text;
  for (const auto &entry : *array) {
    auto one = scalarText(entry);
    if (!one)
      return std::nullopt;
    text += (text.empty() ? "" : ",") + *one;
  }
  return text;
}

data::Status experiment::applyRecipe(CLI::App &verb, const std::string &path) {
  auto bytes = data::readFile(path);
  if (!bytes)
    return bytes.error();
  toml::table recipe;
  try {
    recipe = toml::parse(
        std::string_view(reinterpret_cast<const char *>(bytes->data()),
                         bytes->size()),
        path);
  } catch (const toml::parse_error &error) {
    return data::Error{fmt::format(
        "{}:{}:{}: {}", path, error.source().begin.line,
        error.source().begin.column, std::string_view(error.description()))};
  }

  std::vector<std::string> known;
  for (const CLI::Option *option : verb.get_options())
    for (const std::string &name : option->get_lnames())
      if (name != "help" && name != "recipe")
        known.push_back(name);

  for (const auto &[key, node] : recipe) {
    std::string name(key.str());
    auto at = [&](const std::string &what) {
      return data::Error{fmt::format("{}:{}:{}: {}", path,
                                     key.source().begin.line,
                                     key.source().begin.column, what)};
    };
    if (std::find(known.begin(), known.end(), name) == known.end())
      return at(
          fmt::format("unknown key '{}'{}", name, data::suggest(name, known)));
    CLI::Option *option = verb.get_option("--" + name);
    try {
      if (name == "set") {
        auto values = assignments(node);
        if (!values)
          return at("'set': expected a table of numbers or an array of "
                    "\"name=value\" strings");
        // Later assignments win: the command line's come last.
        auto given = option->results();
        option->clear();
        option->add_result(*values);
        if (!given.empty())
          option->add_result(given);
        option->run_callback();
        continue;
      }
      if (option->count() > 0)
        continue;
      auto value = flagText(node);
      bool isFlag = option->get_expected_max() == 0;
      if (!value || (isFlag && !node.is_boolean()))
        return at(fmt::format("'{}': expected {}", name,
                              isFlag ? "true or false" : "a value"));
      // The flag's second name may mean the opposite.
      option->add_result(isFlag ? option->get_flag_value(name, *value)
                                : *value);
      option->run_callback();
    } catch (const CLI::Error &error) {
      return at(fmt::format("'{}': {}", name, error.what()));
    }
  }
  return data::success();
}
