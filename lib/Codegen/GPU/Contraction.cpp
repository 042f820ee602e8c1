//===- Contraction.cpp - Products of matrices by a block of threads -------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Contraction.h"
#include "../Programs.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "pc/Dialect/PC/Transforms/Buffers.h"
#include "pc/Dialect/PC/Transforms/Structured.h"

using namespace mlir;
using namespace pc;

//===----------------------------------------------------------------------===//
// Plans
//===----------------------------------------------------------------------===//

/// Rows and columns of C in one fragment.
static constexpr int64_t kFragmentRows = 8;
static constexpr int64_t kFragmentColumns = 16;
/// Rows of the least tile that has no fragments.
static constexpr int64_t kLeastRows = 4;
/// Threads of a tile without fragments, where a block has a multiprocessor to
/// itself: a warp for each of its four schedulers. The fewer have all elements,
/// the less of shared memory is read more than once.
static constexpr int64_t kLeastThreads = 4 * kWarp;
/// Shared memory that every GPU gives to one block.
static constexpr int64_t kMostSharedBytes = 96 << 10;
/// Bytes of A in one slice, beside a resident B.
static constexpr int64_t kMostSliceBytes = 32 << 10;
/// Turns of a thread's loop that are done together: the next one's operands
/// are on their way while one is multiplied.
static constexpr int32_t kTurnsTogether = 2;
/// Tiles that keep a large GPU busy.
static constexpr int64_t kManyTiles = 128;

static int64_t bytesOf(Type element) {
  return element.getIntOrFloatBitWidth() / 8;
}

/// Values of k of one tensor-core product, or of one turn of a thread's loop.
static int64_t getTermUnit(Multiply multiply) {
  return multiply == Multiply::BF16 ? 16 : 8;
}

ResidentMatrix::ResidentMatrix(RankedTensorType type)
    : rows(type.getDimSize(0)), columns(type.getDimSize(1)),
      pitch(getPaddedRow(type)), element(type.getElementType()) {}

int64_t ResidentMatrix::getRows() const {
  return llvm::alignTo(rows, kRowUnit);
}

int64_t ResidentMatrix::getBytes() const {
  return getRows() * pitch * bytesOf(element);
}

int64_t ResidentMatrix::getCopiedBytes() const {
  return rows * columns * bytesOf(element);
}

int64_t ResidentMatrix::getChunk() const {
  int64_t chunk = kVectorBytes / bytesOf(element);
  while (columns % chunk)
    chunk /= 2;
  return chunk;
}

int64_t ResidentMatrix::getChunksOfRow() const {
  return llvm::alignTo(columns, kRowUnit) / getChunk();
}

bool pc::canBeResident(linalg::GenericOp op) {
  OpOperand *use = op.getDpsInputOperand(1);
  auto type = dyn_cast<RankedTensorType>(use->get().getType());
  if (!type || type.getRank() != 2 || !type.hasStaticShape())
    return false;
  LinearAccess access =
      getLinearAccess(type, op.getMatchingIndexingMap(use), 3);
  // Its rows are lines or terms, and its columns the other.
  int64_t line = access.strides[1], term = access.strides[2];
  int64_t row = type.getDimSize(1);
  return access.offset == 0 && access.strides[0] == 0 &&
         ((line == row && term == 1) || (line == 1 && term == row));
}

/// How a slice lies, so that lanes that read it together meet different banks:
/// those of a fragment are eight lines of four terms, or pairs of terms.
static void layOut(OperandSlice &slice, Multiply multiply, int64_t line) {
  int64_t elementBytes = bytesOf(slice.access.element);
  int64_t lineStride = slice.access.strides[line];
  int64_t termStride = slice.access.strides[2];
  slice.termsTogether = termStride == 1 && lineStride != 1;
  if (slice.resident) {
    slice.lineStride = lineStride;
    slice.termStride = termStride;
    int64_t outer = slice.termsTogether ? lineStride : termStride;
    while (slice.vector < kVectorBytes / elementBytes &&
           outer % (2 * slice.vector) == 0 &&
           slice.access.offset % (2 * slice.vector) == 0)
      slice.vector *= 2;
    return;
  }
  slice.vector = kVectorBytes / elementBytes;
  int64_t inner = slice.termsTogether ? slice.terms : slice.lines;
  if (multiply == Multiply::Exact) {
    slice.pitch = llvm::alignTo(inner, slice.vector) + slice.vector;
  } else {
    // Four or eight words beyond a whole row of banks.
    bool pairs = multiply == Multiply::BF16;
    int64_t beyond = slice.termsTogether == pairs ? 2 : 1;
    slice.pitch =
        llvm::alignTo(inner, kWarp * 4 / elementBytes) + beyond * slice.vector;
  }
  slice.lineStride = slice.termsTogether ? slice.pitch : 1;
  slice.termStride = slice.termsTogether ? 1 : slice.pitch;
  // Copies move elements that lie together in both places.
  int64_t innerStride = slice.termsTogether ? termStride : lineStride;
  int64_t outerStride = slice.termsTogether ? lineStride : termStride;
  slice.chunk = 1;
  if (innerStride == 1)
    while (slice.chunk < slice.vector && outerStride % (2 * slice.chunk) == 0 &&
           slice.access.offset % (2 * slice.chunk) == 0)
      slice.chunk *= 2;
}

/// Cuts the fragments of a tile among warps so that they read the least.
static void assignWarps(ContractionPlan &plan) {
  int64_t rows = plan.rows / kFragmentRows;
  int64_t columns = plan.columns / kFragmentColumns;
  int64_t best = 0;
  for (int64_t acrossRows = 1; acrossRows <= std::min(rows, kWarps);
       acrossRows *= 2) {
    int64_t acrossColumns = std::min(columns, kWarps / acrossRows);
    int64_t ofRows = rows / acrossRows, ofColumns = columns / acrossColumns;
    // Two registers for eight rows, four for sixteen columns.
    int64_t cost = ofRows * ofColumns * 64 + 2 * ofRows + 4 * ofColumns;
    if (best && cost >= best)
      continue;
    best = cost;
    plan.acrossRows = acrossRows;
    plan.acrossColumns = acrossColumns;
  }
}

/// Gives threads elements of a tile so that they read the least.
static void assignThreads(ContractionPlan &plan, int64_t leastThreads) {
  double best = 0;
  for (int64_t acrossRows = 1; acrossRows <= std::min<int64_t>(16, plan.rows);
       acrossRows *= 2) {
    ContractionPlan trial = plan;
    trial.acrossRows = acrossRows;
    trial.acrossColumns = std::min(plan.columns, kThreads / acrossRows);
    if (trial.getThreads() < leastThreads)
      continue;
    double passes = trial.getSharedPasses(getTermUnit(plan.multiply));
    if (best && passes > best)
      continue;
    // Of equals the one whose threads have more columns.
    best = passes;
    plan.acrossRows = trial.acrossRows;
    plan.acrossColumns = trial.acrossColumns;
  }
}

static_assert(kRowUnit % 16 == 0,
              "terms of every tensor-core product end where zeros do");

ContractionPlan pc::planContraction(linalg::GenericOp op, StageKind stage,
                                    const GroupChoices &choices,
                                    ArrayPlace left, ArrayPlace right,
                                    int64_t mostStages) {
  ContractionPlan plan;
  SmallVector<int64_t> ranges = op.getStaticLoopRanges();
  plan.m = ranges[0];
  plan.n = ranges[1];
  plan.k = ranges[2];
  plan.elementType = getElementTypeOrSelf(op.getResult(0));
  if (int64_t parts = getNarrowParts(op)) {
    plan.multiply = Multiply::BF16;
    plan.parts = parts;
  } else if (choices.tf32) {
    plan.multiply = Multiply::TF32;
  }
  bool exact = plan.multiply == Multiply::Exact;

  plan.rows = std::clamp<int64_t>(llvm::PowerOf2Ceil(plan.m),
                                  exact ? kLeastRows : kFragmentRows, 64);
  int64_t mostColumns = !exact || plan.rows <= 16 ? 128 : 64;
  plan.columns = std::clamp<int64_t>(llvm::PowerOf2Ceil(plan.n),
                                     kFragmentColumns, mostColumns);
  int64_t leastThreads = choices.persistent ? kLeastThreads : kThreads;
  // A block of samples has one block of threads.
  if (!choices.persistent || stage != StageKind::Samples)
    while (plan.getTiles(plan.m) < kManyTiles) {
      if (plan.columns >= plan.rows && plan.columns > 32)
        plan.columns /= 2;
      else if (plan.rows > 16)
        plan.rows /= 2;
      else
        break;
    }
  if (exact)
    // Few elements leave threads without any.
    plan.columns =
        std::max(plan.columns, leastThreads / std::min<int64_t>(16, plan.rows));

  int64_t elementBytes = bytesOf(plan.elementType);
  plan.depth = 128 / elementBytes;
  bool dynamic = ShapedType::isDynamic(plan.k);
  if (!dynamic)
    plan.depth = std::min<int64_t>(
        plan.depth, llvm::alignTo(plan.k, getTermUnit(plan.multiply)));
  // Beside a resident B there is little to copy, or nothing.
  if (right.shared) {
    int64_t whole = llvm::alignTo(plan.k, getTermUnit(plan.multiply));
    if (left.shared || whole * plan.rows * elementBytes <= kMostSliceBytes)
      plan.depth = whole;
  }
  bool single = !dynamic && plan.k <= plan.depth;
  auto operand = [&](unsigned index, ArrayPlace place) {
    OperandSlice slice;
    slice.resident = place.shared;
    OpOperand *use = op.getDpsInputOperand(index);
    slice.access = getLinearAccess(cast<RankedTensorType>(use->get().getType()),
                                   op.getMatchingIndexingMap(use),
                                   ranges.size(), place.pitch);
    slice.lines = index == 0 ? plan.rows : plan.columns;
    slice.terms = plan.depth;
    layOut(slice, plan.multiply, index);
    // Zeros follow the rows of an array, which are lines of A.
    assert((!slice.resident || index == 1 || slice.termsTogether) &&
           "what a block computes has the terms of a line together");
    // Chunks are wholly inside of the array or wholly outside.
    int64_t extent = slice.termsTogether ? plan.k
                     : index == 0        ? plan.m
                                         : plan.n;
    bool samples =
        ShapedType::isDynamic(extent) ||
        (stage == StageKind::Samples && index == 0 && !slice.termsTogether);
    if (samples)
      slice.chunk = 1;
    while (extent % slice.chunk)
      slice.chunk /= 2;
    return slice;
  };
  plan.left = operand(0, left);
  plan.right = operand(1, right);
  exact ? assignThreads(plan, leastThreads) : assignWarps(plan);
  plan.stages = single ? 1 : mostStages;
  while (plan.stages > 2 && plan.getSharedBytes() > kMostSharedBytes)
    --plan.stages;
  return plan;
}

int64_t ContractionPlan::getSharedBytes() const {
  return stages * (left.getElements() + right.getElements()) *
         bytesOf(elementType);
}

bool ContractionPlan::hasPartialSlices() const {
  if (ShapedType::isDynamic(k))
    return true;
  return (left.resident || right.resident) && k % depth != 0;
}

int64_t ContractionPlan::getNeighbours() const {
  int64_t perThread = columns / acrossColumns;
  bool exact = multiply == Multiply::Exact;
  return exact && !right.termsTogether && n % perThread == 0 ? perThread : 1;
}

int64_t ContractionPlan::getTiles(int64_t count) const {
  return llvm::divideCeil(count, rows) * llvm::divideCeil(n, columns);
}

/// Lines that the threads with any of `count` lines have together, `across`
/// threads of each `perTile`.
static int64_t getThreadLines(int64_t count, int64_t perTile, int64_t across,
                              bool strided) {
  int64_t perThread = perTile / across, rest = count % perTile;
  int64_t threads =
      strided ? std::min(across, rest) : llvm::divideCeil(rest, perThread);
  return count - rest + threads * perThread;
}

double ContractionPlan::getFlops(int64_t count, int64_t terms) const {
  int64_t unit = hasPartialSlices() ? getTermUnit(multiply) : depth;
  double flops = 2.0 * parts * llvm::alignTo(terms, unit);
  if (multiply != Multiply::Exact)
    return flops * llvm::alignTo(count, rows) * llvm::alignTo(n, columns);
  // Where tiles fill the array no thread looks whether it has rows.
  int64_t lines = m % rows == 0 ? llvm::alignTo(count, rows)
                                : getThreadLines(count, rows, acrossRows,
                                                 left.termsTogether);
  return flops * lines *
         getThreadLines(n, columns, acrossColumns, right.termsTogether);
}

double ContractionPlan::getBytes(int64_t count, int64_t terms) const {
  // Every tile reads its rows of one operand and its columns of the other.
  double lines = 0;
  if (!left.resident)
    lines += double(count) * llvm::divideCeil(n, columns);
  if (!right.resident)
    lines += double(n) * llvm::divideCeil(count, rows);
  return lines * terms * bytesOf(elementType);
}

double ContractionPlan::getWaits(int64_t terms) const {
  if (left.resident && right.resident)
    return 0;
  int64_t slices = llvm::divideCeil(terms, depth);
  return 1 + (stages > 1 ? double(slices - 1) / (stages - 1) : 0);
}

double ContractionPlan::getSharedPasses(int64_t terms) const {
  int64_t unitTerms = getTermUnit(multiply);
  int64_t units = llvm::divideCeil(terms, unitTerms);
  if (multiply == Multiply::Exact) {
    // A warp's lanes that have the same line read the same words.
    int64_t bytes = bytesOf(elementType);
    int64_t lanesAcross = std::min(kWarp, acrossColumns);
    auto passes = [&](const OperandSlice &slice, int64_t perThread,
                      int64_t lanes) {
      int64_t together = slice.termsTogether
                             ? slice.vector
                             : std::min<int64_t>(slice.vector, perThread);
      double instructions = double(perThread) * unitTerms / together;
      return instructions *
             llvm::divideCeil(lanes * together * bytes, kWarp * 4);
    };
    double perUnit = passes(left, rows / acrossRows, kWarp / lanesAcross) +
                     passes(right, columns / acrossColumns, lanesAcross);
    return perUnit * units * llvm::divideCeil(getThreads(), kWarp);
  }
  // A register of a fragment is read in one pass; of bfloat16 it is a pair.
  int64_t words = multiply == Multiply::BF16 ? 2 : 1;
  double rowFragments = double(rows) / kFragmentRows / acrossRows;
  double columnFragments = double(columns) / kFragmentColumns / acrossColumns;
  double perUnit = words * (2 * rowFragments + 4 * columnFragments);
  return perUnit * units * acrossRows * acrossColumns;
}

bool ContractionPlan::joinsTurns() const {
  return !hasPartialSlices() &&
         depth % (kTurnsTogether * getTermUnit(multiply)) == 0;
}

double ContractionPlan::getTurns(int64_t terms) const {
  int64_t together = joinsTurns() ? kTurnsTogether : 1;
  return llvm::divideCeil(terms, getTermUnit(multiply) * together);
}

double ContractionPlan::getChain(int64_t terms) const {
  int64_t unit = getTermUnit(multiply);
  int64_t padded = llvm::alignTo(terms, unit);
  return multiply == Multiply::Exact ? padded : padded / unit * parts;
}

//===----------------------------------------------------------------------===//
// Code
//===----------------------------------------------------------------------===//

namespace {

class ContractionEmitter : ThreadCode {
public:
  using Finish = function_ref<void(OpBuilder &, const ContractionElements &)>;
  ContractionEmitter(OpBuilder &b, Location loc, const ContractionPlan &plan,
                     const ContractionArguments &arguments, Finish finish)
      : ThreadCode(b, loc), plan(plan), arguments(arguments), finish(finish) {}
  void run();

private:
  void copySlice(const OperandSlice &slice, bool left, Value firstLine, Value k,
                 Value to);
  void copySlices(Value k, Value buffer);
  SmallVector<Value> emitTile();
  Value sliceBase(const OperandSlice &slice, Value buffer);
  Value operandBase(const OperandSlice &slice, Value array, Value k,
                    Value buffer);
  void placeLines();

  SmallVector<Value> getLines(const OperandSlice &slice, Value place,
                              int64_t across);
  void prepareExact();
  void findActive();
  void prepareMatrix();
  SmallVector<Value> multiply(Value k, Value buffer, ValueRange sums);
  SmallVector<Value> multiplyExact(Value left, Value right, ValueRange sums);
  SmallVector<Value> multiplyMatrix(Value left, Value right, ValueRange sums);
  SmallVector<SmallVector<Value>> loadTerms(const OperandSlice &slice,
                                            Value base, ArrayRef<Value> lines);
  SmallVector<Value> loadFragment(const OperandSlice &slice, Value base,
                                  ArrayRef<Value> lines, int64_t parts);
  void finishRow(Value row, ArrayRef<Value> sums);
  void finishExact(ValueRange sums);
  void finishMatrix(ValueRange sums);

  const ContractionPlan &plan;
  const ContractionArguments &arguments;
  Finish finish;

  Value firstRow, firstColumn, columnCount;
  /// Whether the thread has elements of a tile, and multiplies anything of the
  /// one at hand; null if it does.
  Value present, active;
  /// Rows and columns of the tile that the thread has sums of, rows that it
  /// reads of A, and where a lane's first terms are, behind the first of all
  /// lanes.
  SmallVector<Value> rows, columns, leftRows;
  Value leftTerm, rightTerm;
  /// Where lines are in an operand, at the first term that the thread reads.
  SmallVector<Value> leftLines, rightLines;
  int64_t sumCount = 0;
};

} // namespace

static bool isExact(const ContractionPlan &plan) {
  return plan.multiply == Multiply::Exact;
}

/// Copies a slice from the term `k` on; what the array does not have is zero.
void ContractionEmitter::copySlice(const OperandSlice &slice, bool left,
                                   Value firstLine, Value k, Value to) {
  int64_t inner = slice.termsTogether ? slice.terms : slice.lines;
  int64_t perOuter = llvm::divideCeil(inner, slice.chunk);
  int64_t chunks = perOuter * (slice.termsTogether ? slice.lines : slice.terms);
  int64_t bytes = slice.chunk * bytesOf(slice.access.element);
  Access access{slice.access, left ? arguments.left : arguments.right};
  Value count = left ? arguments.rows : columnCount;
  bool linesFit = !left && plan.n % plan.columns == 0;
  bool termsFit = !ShapedType::isDynamic(plan.k) && plan.k % plan.depth == 0;
  for (int64_t part = 0; part < chunks; part += kThreads) {
    Value chunk = add(arguments.thread, number(part));
    Value outer = divided(chunk, perOuter);
    Value within = scaled(rest(chunk, perOuter), slice.chunk);
    Value line = slice.termsTogether ? outer : within;
    Value term = slice.termsTogether ? within : outer;
    Value inside;
    if (part + kThreads > chunks)
      inside = isLess(chunk, number(chunks));
    doIf(inside, [&]() {
      Value there = add(firstLine, line), product = add(k, term);
      Value exists;
      if (!linesFit)
        exists = both(exists, isLess(there, count));
      if (!termsFit)
        exists = both(exists, isLess(product, arguments.terms));
      Value none = number(0);
      Value from = getAddress(
          access, {left ? there : none, left ? none : there, product});
      copyAsync(elementAt(to, access.element,
                          add(scaled(outer, slice.pitch), within)),
                from, bytes, exists, access.pointer);
    });
  }
}

/// Address of a slice in buffer number `buffer`.
Value ContractionEmitter::sliceBase(const OperandSlice &slice, Value buffer) {
  int64_t before = &slice == &plan.right ? plan.left.getElements() : 0;
  Value index = number(before);
  if (plan.stages > 1)
    index = add(index, scaled(buffer, plan.left.getElements() +
                                          plan.right.getElements()));
  return elementAt(arguments.shared, plan.elementType, index);
}

void ContractionEmitter::copySlices(Value k, Value buffer) {
  if (!plan.left.resident)
    copySlice(plan.left, true, firstRow, k, sliceBase(plan.left, buffer));
  if (!plan.right.resident)
    copySlice(plan.right, false, firstColumn, k, sliceBase(plan.right, buffer));
}

/// Address of an operand's terms from `k` on.
Value ContractionEmitter::operandBase(const OperandSlice &slice, Value array,
                                      Value k, Value buffer) {
  if (!slice.resident)
    return sliceBase(slice, buffer);
  Value index = scaled(k, slice.termStride);
  if (slice.access.offset)
    index = add(index, number(slice.access.offset));
  return elementAt(array, plan.elementType, index);
}

/// Finds a tile's lines: in slices, or where a resident matrix has them; those
/// that it does not have are read from lines that it has.
void ContractionEmitter::placeLines() {
  auto least = [&](Value there, Value last) -> Value {
    return arith::MinSIOp::create(b, loc, there, last);
  };
  leftLines.clear();
  for (Value row : leftRows) {
    if (plan.left.resident)
      row = least(add(firstRow, row), add(arguments.rows, number(-1)));
    leftLines.push_back(add(scaled(row, plan.left.lineStride), leftTerm));
  }
  rightLines.clear();
  // Neighbours are read together, from the first of them on.
  int64_t neighbours =
      isExact(plan) && !plan.right.termsTogether ? columns.size() : 1;
  for (size_t i = 0; i < columns.size(); i += neighbours) {
    Value column = columns[i];
    if (plan.right.resident)
      column = add(firstColumn, column);
    if (plan.right.resident && plan.n % plan.columns != 0)
      column =
          least(column, number(llvm::alignTo(plan.n, neighbours) - neighbours));
    Value first = add(scaled(column, plan.right.lineStride), rightTerm);
    for (int64_t j = 0; j < neighbours; ++j)
      rightLines.push_back(j ? add(first, number(j)) : first);
  }
}

/// Sums of the thread's elements of a tile.
SmallVector<Value> ContractionEmitter::emitTile() {
  Value zero =
      arith::ConstantOp::create(b, loc, b.getZeroAttr(plan.elementType));
  SmallVector<Value> sums(sumCount, zero);
  if (plan.stages == 1) {
    if (!plan.left.resident || !plan.right.resident) {
      copySlices(number(0), number(0));
      commitCopies();
      awaitCopies(0);
      barrier();
    }
    return multiply(number(0), number(0), sums);
  }
  int64_t ahead = plan.stages - 1;
  // A wait counts groups: an empty one stands for a slice that does not exist.
  auto copyIfAny = [&](Value k, Value buffer) {
    doIf(isLess(k, arguments.terms), [&]() { copySlices(k, buffer); });
    commitCopies();
  };
  for (int64_t stage = 0; stage < ahead; ++stage)
    copyIfAny(number(stage * plan.depth), number(stage));
  sums.push_back(number(0));
  sums =
      loop(number(0), arguments.terms, number(plan.depth), sums,
           [&](Value k, ValueRange carried) {
             Value buffer = carried.back();
             // The thread's copies of this slice are there; then
             // everybody's, and nobody reads the slice before it.
             awaitCopies(ahead - 1);
             barrier();
             Value target = add(buffer, number(ahead));
             Value wraps = isLess(number(plan.stages - 1), target);
             target = arith::SelectOp::create(
                 b, loc, wraps, add(target, number(-plan.stages)), target);
             copyIfAny(add(k, number(ahead * plan.depth)), target);
             SmallVector<Value> next = multiply(k, buffer, carried.drop_back());
             Value following = add(buffer, number(1));
             Value first = isEqual(following, number(plan.stages));
             next.push_back(
                 arith::SelectOp::create(b, loc, first, number(0), following));
             return next;
           });
  sums.pop_back();
  // Nothing is on its way when the next tile's copies begin.
  awaitCopies(0);
  return sums;
}

SmallVector<Value> ContractionEmitter::multiply(Value k, Value buffer,
                                                ValueRange sums) {
  Value left = operandBase(plan.left, arguments.left, k, buffer);
  Value right = operandBase(plan.right, arguments.right, k, buffer);
  return changeIf(active, sums, [&](ValueRange before) {
    int64_t unit = getTermUnit(plan.multiply);
    if (plan.depth == unit)
      return isExact(plan) ? multiplyExact(left, right, before)
                           : multiplyMatrix(left, right, before);
    // As many terms as there are: samples may be few, and behind a resident
    // matrix there are no zeros for the rest of a slice.
    Value depth = number(plan.depth);
    if (plan.hasPartialSlices()) {
      Value rest = arith::SubIOp::create(b, loc, arguments.terms, k);
      depth = arith::MinSIOp::create(b, loc, depth, rest);
    }
    auto turns =
        buildLoop(b, loc, number(0), depth, number(unit), before,
                  [&](Value term, ValueRange carried) {
                    auto at = [&](Value base, const OperandSlice &slice) {
                      return elementAt(base, plan.elementType,
                                       scaled(term, slice.termStride));
                    };
                    Value leftAt = at(left, plan.left);
                    Value rightAt = at(right, plan.right);
                    return isExact(plan)
                               ? multiplyExact(leftAt, rightAt, carried)
                               : multiplyMatrix(leftAt, rightAt, carried);
                  });
    if (plan.joinsTurns())
      unrollBy(turns, kTurnsTogether);
    return SmallVector<Value>(turns.getResults());
  });
}

//===----------------------------------------------------------------------===//
// Chains of multiply-adds
//===----------------------------------------------------------------------===//

/// A thread's lines are neighbours where it reads several with one instruction,
/// and far apart where neighbouring threads' are neighbours.
SmallVector<Value> ContractionEmitter::getLines(const OperandSlice &slice,
                                                Value place, int64_t across) {
  int64_t per = slice.lines / across;
  SmallVector<Value> lines;
  for (int64_t i = 0; i < per; ++i)
    lines.push_back(slice.termsTogether ? add(place, number(i * across))
                                        : add(scaled(place, per), number(i)));
  return lines;
}

void ContractionEmitter::prepareExact() {
  if (plan.getThreads() < kThreads)
    present = isLess(arguments.thread, number(plan.getThreads()));
  rows = getLines(plan.left, divided(arguments.thread, plan.acrossColumns),
                  plan.acrossRows);
  columns = getLines(plan.right, rest(arguments.thread, plan.acrossColumns),
                     plan.acrossColumns);
  leftRows = rows;
  leftTerm = rightTerm = number(0);
  sumCount = rows.size() * columns.size();
}

/// Threads without an element of the tile multiply nothing.
void ContractionEmitter::findActive() {
  active = present;
  if (plan.m % plan.rows != 0)
    active = both(active, isLess(add(firstRow, rows.front()), arguments.rows));
  if (plan.n % plan.columns != 0)
    active =
        both(active, isLess(add(firstColumn, columns.front()), columnCount));
}

/// Elements [term][line] of the next terms.
SmallVector<SmallVector<Value>>
ContractionEmitter::loadTerms(const OperandSlice &slice, Value base,
                              ArrayRef<Value> lines) {
  int64_t terms = getTermUnit(plan.multiply);
  SmallVector<SmallVector<Value>> elements(terms);
  auto at = [&](Value line, int64_t term) {
    return elementAt(base, plan.elementType,
                     add(line, number(term * slice.termStride)));
  };
  if (slice.termsTogether) {
    for (int64_t term = 0; term < terms; term += slice.vector)
      for (Value line : lines)
        for (auto [offset, value] : llvm::enumerate(
                 loadMany(plan.elementType, slice.vector, at(line, term))))
          elements[term + offset].push_back(value);
    return elements;
  }
  int64_t together = std::min<int64_t>(slice.vector, lines.size());
  for (int64_t term = 0; term < terms; ++term)
    for (size_t line = 0; line < lines.size(); line += together)
      llvm::append_range(elements[term], loadMany(plan.elementType, together,
                                                  at(lines[line], term)));
  return elements;
}

SmallVector<Value> ContractionEmitter::multiplyExact(Value left, Value right,
                                                     ValueRange sums) {
  SmallVector<SmallVector<Value>> lefts = loadTerms(plan.left, left, leftLines);
  SmallVector<SmallVector<Value>> rights =
      loadTerms(plan.right, right, rightLines);
  SmallVector<Value> next = llvm::to_vector(sums);
  for (auto [as, bs] : llvm::zip_equal(lefts, rights))
    for (auto [i, x] : llvm::enumerate(as))
      for (auto [j, y] : llvm::enumerate(bs)) {
        Value &sum = next[i * bs.size() + j];
        sum = math::FmaOp::create(b, loc, x, y, sum);
      }
  return next;
}

/// Those of a row at once, where they exist together or not at all.
void ContractionEmitter::finishRow(Value row, ArrayRef<Value> sums) {
  bool allExist = plan.n % plan.columns == 0;
  bool neighbours = plan.getNeighbours() > 1;
  size_t step = allExist || neighbours ? columns.size() : 1;
  Value there = add(firstRow, row);
  doIf(isLess(there, arguments.rows), [&]() {
    for (size_t first = 0; first < columns.size(); first += step) {
      ContractionElements elements;
      elements.neighbours = neighbours;
      elements.row = there;
      for (Value column : ArrayRef(columns).slice(first, step))
        elements.columns.push_back(add(firstColumn, column));
      llvm::append_range(elements.sums, sums.slice(first, step));
      Value exists;
      if (!allExist)
        exists = isLess(elements.columns.front(), columnCount);
      doIf(exists, [&]() { finish(b, elements); });
    }
  });
}

void ContractionEmitter::finishExact(ValueRange sums) {
  SmallVector<Value> all(sums);
  doIf(present, [&]() {
    for (auto [i, row] : llvm::enumerate(rows))
      finishRow(row, ArrayRef(all).slice(i * columns.size(), columns.size()));
  });
}

//===----------------------------------------------------------------------===//
// Tensor-core products
//===----------------------------------------------------------------------===//

// Which element of a fragment is in which register of which lane is in the PTX
// ISA, "Matrix Fragments for mma.m16n8k8" and "mma.m16n8k16". Lanes are
// numbered (group, member) by eight and four. The instruction's A has 16
// columns of B here, its B 8 rows of A.

void ContractionEmitter::prepareMatrix() {
  Value lane = rest(arguments.thread, kWarp);
  Value warp = divided(arguments.thread, kWarp);
  Value group = divided(lane, 4), member = rest(lane, 4);
  int64_t warps = plan.acrossRows * plan.acrossColumns;
  if (warps < kWarps)
    active = isLess(warp, number(warps));
  int64_t perRow = plan.rows / plan.acrossRows;
  int64_t perColumn = plan.columns / plan.acrossColumns;
  Value warpRow = scaled(divided(warp, plan.acrossColumns), perRow);
  Value warpColumn = scaled(rest(warp, plan.acrossColumns), perColumn);
  // A lane's first term; neighbours are read in pairs where they are rounded.
  int64_t pair = plan.multiply == Multiply::BF16 ? 2 : 1;
  leftTerm = scaled(member, pair * plan.left.termStride);
  rightTerm = scaled(member, pair * plan.right.termStride);
  // Lanes read a row of a fragment each, of which they have sums of two.
  for (int64_t row = 0; row < perRow; row += kFragmentRows) {
    Value first = add(warpRow, number(row));
    leftRows.push_back(add(first, group));
    for (int64_t half : {0, 1})
      rows.push_back(add(first, add(scaled(member, 2), number(half))));
  }
  for (int64_t column = 0; column < perColumn; column += kFragmentColumns)
    for (int64_t half : {0, 8})
      columns.push_back(add(warpColumn, add(group, number(column + half))));
  sumCount = rows.size() * columns.size();
}

/// Registers of a fragment with these lines, those of one half of the terms
/// before those of the other, of one part before the next.
SmallVector<Value> ContractionEmitter::loadFragment(const OperandSlice &slice,
                                                    Value base,
                                                    ArrayRef<Value> lines,
                                                    int64_t parts) {
  int64_t half = getTermUnit(plan.multiply) / 2;
  SmallVector<SmallVector<Value>> registers(parts);
  auto at = [&](Value line, int64_t term) {
    return elementAt(base, plan.elementType,
                     add(line, number(term * slice.termStride)));
  };
  Type i32 = b.getI32Type();
  for (int64_t term : {int64_t(0), half})
    for (Value line : lines) {
      if (plan.multiply == Multiply::TF32) {
        Value value = load(plan.elementType, at(line, term));
        registers[0].push_back(NVVM::ConvertFloatToTF32Op::create(
            b, loc, i32, value, NVVM::FPRoundingMode::RNA));
        continue;
      }
      SmallVector<Value> pair;
      if (slice.termsTogether && slice.vector > 1)
        pair = loadMany(plan.elementType, 2, at(line, term));
      else
        pair = {load(plan.elementType, at(line, term)),
                load(plan.elementType, at(line, term + 1))};
      auto wide = VectorType::get({2}, plan.elementType);
      auto narrow = VectorType::get({2}, b.getBF16Type());
      Value vector = LLVM::UndefOp::create(b, loc, wide);
      for (int64_t i : {0, 1})
        vector =
            LLVM::InsertElementOp::create(b, loc, vector, pair[i], number(i));
      for (int64_t part = 0; part < parts; ++part) {
        Value rounded = arith::TruncFOp::create(b, loc, narrow, vector);
        registers[part].push_back(
            LLVM::BitcastOp::create(b, loc, i32, rounded));
        if (part + 1 < parts)
          vector = arith::SubFOp::create(
              b, loc, vector, arith::ExtFOp::create(b, loc, wide, rounded));
      }
    }
  SmallVector<Value> all;
  for (ArrayRef<Value> part : registers)
    all.append(part.begin(), part.end());
  return all;
}

SmallVector<Value> ContractionEmitter::multiplyMatrix(Value left, Value right,
                                                      ValueRange sums) {
  SmallVector<SmallVector<Value>> lefts, rights;
  for (Value line : leftLines)
    lefts.push_back(loadFragment(plan.left, left, line, plan.parts));
  for (size_t c = 0; c < rightLines.size(); c += 2)
    rights.push_back(
        loadFragment(plan.right, right, {rightLines[c], rightLines[c + 1]}, 1));
  Type f32 = plan.elementType;
  auto type =
      LLVM::LLVMStructType::getLiteral(b.getContext(), {f32, f32, f32, f32});
  NVVM::MMATypes operands = plan.multiply == Multiply::TF32
                                ? NVVM::MMATypes::tf32
                                : NVVM::MMATypes::bf16;
  int64_t shape[] = {kFragmentColumns, kFragmentRows,
                     getTermUnit(plan.multiply)};
  SmallVector<Value> next = llvm::to_vector(sums);
  for (auto [row, rowFragment] : llvm::enumerate(lefts))
    for (auto [column, columnFragment] : llvm::enumerate(rights)) {
      // Sums [fragment of rows][fragment of columns][half of columns][row].
      MutableArrayRef<Value> sum = MutableArrayRef<Value>(next).slice(
          (row * rights.size() + column) * 4, 4);
      for (int64_t part = plan.parts - 1; part >= 0; --part) {
        Value product = NVVM::MmaOp::create(
            b, loc, type, columnFragment,
            ArrayRef<Value>(rowFragment).slice(part * 2, 2), ValueRange(sum),
            shape, std::nullopt, std::nullopt,
            std::array<NVVM::MMATypes, 2>{operands, operands},
            std::array<NVVM::MMALayout, 2>{NVVM::MMALayout::row,
                                           NVVM::MMALayout::col});
        for (int64_t i = 0; i < 4; ++i)
          sum[i] = LLVM::ExtractValueOp::create(b, loc, product, i);
      }
    }
  return next;
}

void ContractionEmitter::finishMatrix(ValueRange sums) {
  size_t fragments = columns.size() / 2;
  doIf(active, [&]() {
    for (auto [r, row] : llvm::enumerate(rows)) {
      SmallVector<Value> ofRow;
      for (size_t c = 0; c < columns.size(); ++c)
        ofRow.push_back(
            sums[((r / 2) * fragments + c / 2) * 4 + (c % 2) * 2 + r % 2]);
      finishRow(row, ofRow);
    }
  });
}

//===----------------------------------------------------------------------===//
// All tiles
//===----------------------------------------------------------------------===//

void ContractionEmitter::run() {
  columnCount = number(plan.n);
  isExact(plan) ? prepareExact() : prepareMatrix();
  int64_t tileColumns = llvm::divideCeil(plan.n, plan.columns);
  Value tileRows =
      divided(add(arguments.rows, number(plan.rows - 1)), plan.rows);
  loop(arguments.team, scaled(tileRows, tileColumns), arguments.teams, {},
       [&](Value index, ValueRange) {
         // All have read the slices before another tile's replace them.
         if (plan.getTiles(plan.m) > 1)
           doIf(isLess(arguments.team, index), [&]() { barrier(); });
         firstRow = scaled(divided(index, tileColumns), plan.rows);
         firstColumn = scaled(rest(index, tileColumns), plan.columns);
         if (isExact(plan))
           findActive();
         placeLines();
         SmallVector<Value> sums = emitTile();
         // Where LLVM leaves no loop they could go behind the condition of
         // their store.
         if (isExact(plan))
           for (Value &sum : sums)
             sum = pinned(b, loc, sum);
         isExact(plan) ? finishExact(sums) : finishMatrix(sums);
         return SmallVector<Value>();
       });
}

void pc::emitResidentCopy(OpBuilder &b, Location loc,
                          const ResidentMatrix &matrix, Value from, Value to,
                          Value thread) {
  ThreadCode code(b, loc);
  int64_t chunk = matrix.getChunk(), perRow = matrix.getChunksOfRow();
  int64_t bytes = chunk * bytesOf(matrix.element);
  code.loop(
      thread, code.number(matrix.getRows() * perRow), code.number(kThreads), {},
      [&](Value index, ValueRange) {
        Value row = code.divided(index, perRow);
        Value column = code.scaled(code.rest(index, perRow), chunk);
        Value exists;
        if (matrix.rows < matrix.getRows())
          exists = code.isLess(row, code.number(matrix.rows));
        if (matrix.columns < perRow * chunk)
          exists = code.both(exists,
                             code.isLess(column, code.number(matrix.columns)));
        auto at = [&](Value base, int64_t pitch) {
          return code.elementAt(base, matrix.element,
                                code.add(code.scaled(row, pitch), column));
        };
        code.copyAsync(at(to, matrix.pitch), at(from, matrix.columns), bytes,
                       exists, from);
        return SmallVector<Value>();
      });
}

void pc::emitContraction(
    OpBuilder &b, Location loc, const ContractionPlan &plan,
    const ContractionArguments &arguments,
    function_ref<void(OpBuilder &, const ContractionElements &)> finish) {
  ContractionEmitter(b, loc, plan, arguments, finish).run();
}
