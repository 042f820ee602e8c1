//===- Npy.cpp - NumPy's .npy files ---------------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pcx/Data/Npy.h"
#include "pcx/Data/File.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <string_view>

using namespace pcx::data;

static_assert(std::endian::native == std::endian::little,
              "arrays are read as they stand in the file");

static constexpr std::string_view npyMagic = "\x93NUMPY";

namespace {

/// The three entries of an NPY header.
struct NpyHeader {
  std::string descr;
  bool fortran = false;
  std::vector<int64_t> shape;
};

/// Parses the Python dictionary literal of an NPY header.
class NpyHeaderParser {
public:
  NpyHeaderParser(std::string_view text, const std::string &name)
      : text(text), name(name) {}

  Result<NpyHeader> parse() {
    NpyHeader header;
    bool hasDescr = false, hasOrder = false, hasShape = false;
    if (!take('{'))
      return fail("a dictionary");
    while (!take('}')) {
      std::string key;
      if (!takeString(key) || !take(':'))
        return fail("a key");
      if (key == "descr") {
        if (peek() == '[')
          return Error{fmt::format("{}: expected an array of numbers, found a "
                                   "structured type",
                                   name)};
        if (!takeString(header.descr))
          return fail("a type string");
        hasDescr = true;
      } else if (key == "fortran_order") {
        if (takeWord("True"))
          header.fortran = true;
        else if (!takeWord("False"))
          return fail("True or False");
        hasOrder = true;
      } else if (key == "shape") {
        if (!takeShape(header.shape))
          return fail("a tuple of sizes");
        hasShape = true;
      } else {
        return fail("one of descr, fortran_order, shape");
      }
      if (!take(',') && peek() != '}')
        return fail("',' or '}'");
    }
    skipSpace();
    if (at != text.size())
      return fail("the end of the header");
    if (!hasDescr || !hasOrder || !hasShape)
      return fail("descr, fortran_order and shape");
    return header;
  }

private:
  Error fail(const char *expected) const {
    return Error{fmt::format("{}: malformed NPY header: expected {} at byte {}",
                             name, expected, at)};
  }
  void skipSpace() {
    while (at < text.size() && (text[at] == ' ' || text[at] == '\n' ||
                                text[at] == '\t' || text[at] == '\r'))
      ++at;
  }
  char peek() {
    skipSpace();
    return at < text.size() ? text[at] : '\0';
  }
  bool take(char c) {
    if (peek() != c || at >= text.size())
      return false;
    ++at;
    return true;
  }
  bool takeWord(std::string_view word) {
    skipSpace();
    if (text.substr(at, word.size()) != word)
      return false;
    at += word.size();
    return true;
  }
  bool takeString(std::string &out) {
    char quote = peek();
    if (quote != '\'' && quote != '"')
      return false;
    size_t end = text.find(quote, at + 1);
    if (end == std::string_view::npos)
      return false;
    out = text.substr(at + 1, end - at - 1);
    at = end + 1;
    return true;
  }
  bool takeShape(std::vector<int64_t> &out) {
    if (!take('('))
      return false;
    while (!take(')')) {
      char first = peek();
      if (first < '0' || first > '9')
        return false;
      int64_t value = 0;
      while (at < text.size() && text[at] >= '0' && text[at] <= '9')
        if (__builtin_mul_overflow(value, int64_t(10), &value) ||
            __builtin_add_overflow(value, int64_t(text[at++] - '0'), &value))
          return false;
      if (at < text.size() && text[at] == 'L') // Python 2
        ++at;
      out.push_back(value);
      if (!take(',') && peek() != ')')
        return false;
    }
    return true;
  }

  std::string_view text;
  const std::string &name;
  size_t at = 0;
};

} // namespace

static const char *npyDescr(DType dtype) {
  switch (dtype) {
  case DType::U8:
    return "|u1";
  case DType::I8:
    return "|i1";
  case DType::Bool:
    return "|b1";
  case DType::I16:
    return "<i2";
  case DType::I32:
    return "<i4";
  case DType::I64:
    return "<i8";
  case DType::F32:
    return "<f4";
  case DType::F64:
    return "<f8";
  case DType::Text:
    break;
  }
  assert(false && "Text has a length");
  return "";
}

static std::optional<DType> npyType(std::string_view descr) {
  for (DType dtype : {DType::U8, DType::I8, DType::Bool, DType::I16, DType::I32,
                      DType::I64, DType::F32, DType::F64}) {
    std::string_view own = npyDescr(dtype);
    // One-byte types have no byte order, whatever the mark says.
    if (descr == own || (own[0] == '|' && descr.size() == 3 &&
                         descr.substr(1) == own.substr(1)))
      return dtype;
  }
  return std::nullopt;
}

/// Appends the code point in UTF-8; what is no code point becomes U+FFFD.
static void appendUtf8(std::vector<std::byte> &out, uint32_t c) {
  if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
    c = 0xfffd;
  auto push = [&](uint32_t byte) { out.push_back(std::byte(byte)); };
  if (c < 0x80) {
    push(c);
  } else if (c < 0x800) {
    push(0xc0 | c >> 6);
    push(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    push(0xe0 | c >> 12);
    push(0x80 | (c >> 6 & 0x3f));
    push(0x80 | (c & 0x3f));
  } else {
    push(0xf0 | c >> 18);
    push(0x80 | (c >> 12 & 0x3f));
    push(0x80 | (c >> 6 & 0x3f));
    push(0x80 | (c & 0x3f));
  }
}

/// A scalar '<Un' string of n UCS-4 characters, NUL padded.
static Array textFromUcs4(Bytes data) {
  Array array;
  array.dtype = DType::Text;
  for (size_t i = 0; i + 4 <= data.size(); i += 4) {
    uint32_t c;
    std::memcpy(&c, data.data() + i, 4);
    if (c == 0)
      break;
    appendUtf8(array.bytes, c);
  }
  array.dims = {static_cast<int64_t>(array.bytes.size())};
  return array;
}

/// Brings column-major elements into row-major order.
static std::vector<std::byte>
fromFortran(Bytes data, std::span<const int64_t> dims, size_t element) {
  std::vector<std::byte> out(data.size());
  if (data.empty())
    return out;
  std::vector<size_t> strides(dims.size()), index(dims.size());
  size_t stride = element;
  for (size_t d = 0; d < dims.size(); ++d) {
    strides[d] = stride;
    stride *= static_cast<size_t>(dims[d]);
  }
  size_t from = 0;
  for (size_t to = 0; to < out.size(); to += element) {
    std::memcpy(out.data() + to, data.data() + from, element);
    for (size_t d = dims.size(); d-- > 0;) {
      from += strides[d];
      if (++index[d] < static_cast<size_t>(dims[d]))
        break;
      from -= strides[d] * index[d];
      index[d] = 0;
    }
  }
  return out;
}

Result<Array> pcx::data::parseNpy(Bytes file, const std::string &name) {
  std::string_view text(reinterpret_cast<const char *>(file.data()),
                        file.size());
  if (!text.starts_with(npyMagic))
    return Error{fmt::format(
        "{}: wrong magic: expected an NPY file (93 'NUMPY'){}", name,
        text.starts_with("PK") ? ", found a zip archive; an NPZ file holds "
                                 "several arrays, name one as FILE.npz:ARRAY"
                               : "")};
  if (file.size() < 10)
    return Error{fmt::format("{}: truncated: expected an NPY header, found {} "
                             "bytes",
                             name, file.size())};
  auto byteAt = [&](size_t i) { return std::to_integer<size_t>(file[i]); };
  size_t major = byteAt(6), lengthBytes = major == 1 ? 2 : 4;
  if (major < 1 || major > 3)
    return Error{fmt::format("{}: expected NPY version 1 to 3, found {}.{}",
                             name, major, byteAt(7))};
  if (file.size() < 8 + lengthBytes)
    return Error{fmt::format("{}: truncated: expected an NPY header, found {} "
                             "bytes",
                             name, file.size())};
  size_t length = 0;
  for (size_t i = 0; i < lengthBytes; ++i)
    length |= byteAt(8 + i) << (8 * i);
  size_t start = 8 + lengthBytes;
  if (file.size() - start < length)
    return Error{fmt::format(
        "{}: truncated: expected an NPY header of {} bytes, found {}", name,
        length, file.size() - start)};

  auto header = NpyHeaderParser(text.substr(start, length), name).parse();
  if (!header)
    return header.error();
  Bytes data = file.subspan(start + length);

  bool isText = header->descr.starts_with("<U");
  size_t element = 0;
  std::optional<DType> dtype;
  if (isText) {
    element = 0;
    for (char c : std::string_view(header->descr).substr(2)) {
      if (c < '0' || c > '9' || element > (size_t(1) << 32))
        return Error{fmt::format("{}: malformed NPY header: type '{}'", name,
                                 header->descr)};
      element = element * 10 + static_cast<size_t>(c - '0');
    }
    element *= 4;
    if (!header->shape.empty())
      return Error{fmt::format("{}: expected an array of numbers, found an "
                               "array of strings",
                               name)};
  } else {
    dtype = npyType(header->descr);
    if (!dtype)
      return Error{fmt::format(
          "{}: expected one of f4 f8 i1 i2 i4 i8 u1 b1 in little-endian order, "
          "found type '{}'; convert it with astype() in NumPy",
          name, header->descr)};
    element = elementBytes(*dtype);
  }

  auto expected = checkedBytes(header->shape, element);
  if (!expected)
    return Error{fmt::format("{}: the sizes {} overflow", name,
                             formatDims(header->shape))};
  if (data.size() < *expected)
    return Error{fmt::format(
        "{}: truncated: expected {} bytes of data ({} {}), found {}", name,
        *expected, formatDims(header->shape), header->descr, data.size())};
  if (data.size() > *expected)
    return Error{fmt::format(
        "{}: trailing bytes: expected {} bytes of data ({} {}), found {}", name,
        *expected, formatDims(header->shape), header->descr, data.size())};

  if (isText)
    return textFromUcs4(data);
  Array array;
  array.dtype = *dtype;
  array.dims = std::move(header->shape);
  if (header->fortran && array.dims.size() > 1)
    array.bytes = fromFortran(data, array.dims, element);
  else
    array.bytes.assign(data.begin(), data.end());
  return array;
}

Result<Array> pcx::data::readNpy(const std::string &path) {
  auto bytes = readFile(path);
  if (!bytes)
    return bytes.error();
  return parseNpy(*bytes, path);
}

/// The characters of UTF-8 text as UCS-4; malformed bytes become U+FFFD.
static std::vector<uint32_t> toUcs4(Bytes text) {
  std::vector<uint32_t> out;
  for (size_t i = 0; i < text.size();) {
    uint32_t lead = std::to_integer<uint32_t>(text[i++]);
    int extra = lead < 0x80 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    uint32_t c = extra == 0 ? lead : lead & (0x3fu >> extra);
    for (; extra > 0 && i < text.size(); --extra)
      c = c << 6 | (std::to_integer<uint32_t>(text[i++]) & 0x3f);
    out.push_back(extra == 0 ? c : 0xfffd);
  }
  return out;
}

std::vector<std::byte> pcx::data::formatNpy(const Array &array) {
  std::string descr, shape;
  std::vector<uint32_t> ucs4;
  Bytes data = array.bytes;
  if (array.dtype == DType::Text) {
    ucs4 = toUcs4(array.bytes);
    data = std::as_bytes(std::span(ucs4));
    descr = fmt::format("<U{}", ucs4.size());
    shape = "()";
  } else {
    descr = npyDescr(array.dtype);
    shape = "(";
    for (int64_t dim : array.dims)
      shape += std::to_string(dim) + (array.dims.size() == 1 ? "," : ", ");
    if (array.dims.size() > 1)
      shape.resize(shape.size() - 2);
    shape += ")";
  }
  std::string header = fmt::format(
      "{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}", descr, shape);
  // The data starts at a multiple of 64 bytes; the header ends with a newline.
  size_t total = (npyMagic.size() + 4 + header.size() + 1 + 63) / 64 * 64;
  header.resize(total - npyMagic.size() - 4 - 1, ' ');
  header += '\n';

  std::vector<std::byte> out;
  out.reserve(total + data.size());
  auto append = [&](Bytes part) {
    out.insert(out.end(), part.begin(), part.end());
  };
  append(std::as_bytes(std::span(npyMagic)));
  for (size_t byte :
       {size_t(1), size_t(0), header.size() & 0xff, header.size() >> 8 & 0xff})
    out.push_back(std::byte(byte));
  append(std::as_bytes(std::span(header)));
  append(data);
  return out;
}

Status pcx::data::writeNpy(const std::string &path, const Array &array) {
  return writeFile(path, {Bytes(formatNpy(array))});
}
