//===- Csv.cpp - Tables of numbers as text --------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pcx/Data/Csv.h"
#include "pcx/Data/File.h"
#include "pcx/Data/Text.h"

#include <fmt/format.h>

#include <cstring>

using namespace pcx::data;

namespace {
/// One field and where it starts, counted from 1.
struct Field {
  std::string text;
  size_t line, column;
};

/// Splits text into rows of fields.
class CsvReader {
public:
  CsvReader(std::string_view text, const std::string &name)
      : text(text), name(name) {
    if (text.starts_with("\xef\xbb\xbf"))
      at = lineStart = 3;
  }

  /// The fields of the next row that is not blank; empty at the end.
  Result<std::vector<Field>> nextRow() {
    std::vector<Field> row;
    while (at < text.size() &&
           (text[at] == '\n' || text.substr(at, 2) == "\r\n"))
      takeNewline();
    while (at < text.size()) {
      auto field = takeField();
      if (!field)
        return field.error();
      row.push_back(std::move(*field));
      if (at < text.size() && text[at] == ',') {
        ++at;
        if (at == text.size()) // a last, empty field
          row.push_back({"", line, column()});
        continue;
      }
      takeNewline();
      break;
    }
    return row;
  }

private:
  size_t column() const { return at - lineStart + 1; }
  bool atEnd() const {
    return at == text.size() || text[at] == ',' || text[at] == '\n' ||
           text.substr(at, 2) == "\r\n";
  }
  void takeNewline() {
    if (text.substr(at, 2) == "\r\n")
      ++at;
    if (at < text.size())
      ++at;
    ++line;
    lineStart = at;
  }
  Result<Field> takeField() {
    Field field{"", line, column()};
    if (at < text.size() && text[at] == '"') {
      for (++at;;) {
        if (at == text.size())
          return Error{fmt::format("{}:{}:{}: unterminated quoted field", name,
                                   field.line, field.column)};
        char c = text[at++];
        if (c == '"') {
          if (at == text.size() || text[at] != '"')
            break;
          ++at; // "" stands for one quote
        } else if (c == '\n') {
          ++line;
          lineStart = at;
        }
        field.text += c;
      }
      if (!atEnd())
        return Error{fmt::format(
            "{}:{}:{}: expected ',' or the end of the line after a quoted "
            "field",
            name, line, column())};
      return field;
    }
    size_t start = at;
    while (!atEnd())
      ++at;
    field.text = text.substr(start, at - start);
    return field;
  }

  std::string_view text;
  const std::string &name;
  size_t at = 0, lineStart = 0, line = 1;
};
} // namespace

Result<CsvTable> pcx::data::parseCsv(std::string_view text,
                                     const std::string &name) {
  CsvReader reader(text, name);
  CsvTable table;
  std::vector<double> values;
  size_t width = 0;
  int64_t rows = 0;
  for (bool first = true;; first = false) {
    auto row = reader.nextRow();
    if (!row)
      return row.error();
    if (row->empty())
      break;
    if (first) {
      width = row->size();
      for (const Field &field : *row)
        if (!parseNumber(field.text)) {
          for (const Field &column : *row)
            table.names.push_back(column.text);
          break;
        }
      if (!table.names.empty())
        continue;
    }
    if (row->size() != width)
      return Error{fmt::format("{}:{}:{}: expected {} fields, found {}", name,
                               row->front().line, row->front().column, width,
                               row->size())};
    for (const Field &field : *row) {
      auto value = parseNumber(field.text);
      if (!value)
        return Error{fmt::format("{}:{}:{}: expected a number, found '{}'",
                                 name, field.line, field.column, field.text)};
      values.push_back(*value);
    }
    ++rows;
  }
  if (rows == 0)
    return Error{fmt::format("{}: expected rows of numbers, found none", name)};
  table.values = Array::of({rows, static_cast<int64_t>(width)},
                           std::span<const double>(values));
  return table;
}

Result<CsvTable> pcx::data::readCsv(const std::string &path) {
  auto bytes = readFile(path);
  if (!bytes)
    return bytes.error();
  return parseCsv(
      {reinterpret_cast<const char *>(bytes->data()), bytes->size()}, path);
}

Result<int64_t> CsvTable::column(const std::string &wanted,
                                 const std::string &file) const {
  for (size_t i = 0; i < names.size(); ++i)
    if (names[i] == wanted)
      return static_cast<int64_t>(i);
  if (auto index = parseInteger(wanted)) {
    int64_t column = *index < 0 ? *index + columns() : *index;
    if (column >= 0 && column < columns())
      return column;
    return Error{fmt::format("{}: expected a column from 0 to {}, found {}",
                             file, columns() - 1, wanted)};
  }
  return Error{fmt::format("{}: no column '{}'{}", file, wanted,
                           names.empty() ? "; the file has no header row"
                                         : suggest(wanted, names))};
}
