//===- SimulatorTest.cpp - Kernels on the simulated device ----------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pc/Simulator/Simulator.h"

#include "gtest/gtest.h"

#include <cmath>
#include <cstring>
#include <random>

using namespace pc::sim;

namespace {

/// What kernels here may call.
constexpr const char *declarations = R"(
declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()
declare i32 @llvm.nvvm.read.ptx.sreg.tid.y()
declare void @llvm.nvvm.cp.async.ca.shared.global.16.s(ptr addrspace(3), ptr addrspace(1), i32)
declare {float, float, float, float} @llvm.nvvm.mma.m16n8k16.row.col.f32.f32(<2 x half>, <2 x half>, <2 x half>, <2 x half>, <2 x half>, <2 x half>, float, float, float, float)
declare i32 @llvm.nvvm.ldmatrix.sync.aligned.m8n8.x1.b16.p3(ptr addrspace(3))
declare i32 @llvm.nvvm.ldmatrix.sync.aligned.m8n8.x1.trans.b16.p3(ptr addrspace(3))
declare float @__nv_tanhf(float)
declare i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
declare i32 @llvm.nvvm.read.ptx.sreg.nctaid.x()
declare i32 @llvm.nvvm.read.ptx.sreg.ntid.x()
declare void @llvm.nvvm.barrier.cta.sync.aligned.all(i32)
declare void @llvm.nvvm.bar.warp.sync(i32)
declare float @llvm.nvvm.shfl.sync.down.f32(i32, float, i32, i32)
declare i32 @llvm.nvvm.shfl.sync.up.i32(i32, i32, i32, i32)
declare i32 @llvm.nvvm.shfl.sync.bfly.i32(i32, i32, i32, i32)
declare i32 @llvm.nvvm.shfl.sync.idx.i32(i32, i32, i32, i32)
declare void @llvm.nvvm.cp.async.ca.shared.global.16(ptr addrspace(3), ptr addrspace(1))
declare void @llvm.nvvm.cp.async.commit.group()
declare void @llvm.nvvm.cp.async.wait.group(i32)
declare {float, float, float, float} @llvm.nvvm.mma.m16n8k8.row.col.tf32(i32, i32, i32, i32, i32, i32, float, float, float, float)
declare {float, float, float, float} @llvm.nvvm.mma.m16n8k16.row.col.bf16(i32, i32, i32, i32, i32, i32, float, float, float, float)
declare {i32, i32, i32, i32} @llvm.nvvm.ldmatrix.sync.aligned.m8n8.x4.b16.p3(ptr addrspace(3))
declare float @llvm.fma.f32(float, float, float)
)";

class SimulatorTest : public testing::Test {
protected:
  std::unique_ptr<Module> load(const std::string &text) {
    source = declarations + text;
    auto loaded = device.load(llvm::MemoryBufferRef(source, "test"));
    if (!loaded) {
      message = llvm::toString(loaded.takeError());
      return nullptr;
    }
    return std::move(*loaded);
  }
  template <typename T>
  T *upload(const std::vector<T> &values) {
    auto *array = static_cast<T *>(device.allocate(values.size() * sizeof(T)));
    EXPECT_TRUE(device.write(array, values.data(), values.size() * sizeof(T)));
    return array;
  }
  template <typename T>
  std::vector<T> download(const T *array, size_t count) {
    std::vector<T> values(count);
    EXPECT_TRUE(device.read(values.data(), array, count * sizeof(T)));
    return values;
  }
  /// Runs the kernel "k" of `text` with pointers to arrays.
  LaunchResult run(const std::string &text, const LaunchConfig &config,
                   std::vector<void *> arrays) {
    auto module = load(text);
    EXPECT_TRUE(module) << message;
    if (!module)
      return {};
    std::vector<void *> arguments;
    for (void *&array : arrays)
      arguments.push_back(&array);
    auto result = device.launch(*module, "k", config, arguments);
    if (!result) {
      ADD_FAILURE() << llvm::toString(result.takeError());
      return {};
    }
    return std::move(*result);
  }
  static void expectFault(const LaunchResult &result, FaultKind kind,
                          const std::string &part) {
    ASSERT_FALSE(result.faults.empty()) << "expected a fault";
    EXPECT_EQ(llvm::StringRef(stringify(result.faults[0].kind)).str(),
              llvm::StringRef(stringify(kind)).str())
        << result.faults[0].message;
    EXPECT_NE(result.faults[0].message.find(part), std::string::npos)
        << result.faults[0].message;
  }
  static void expectNoFault(const LaunchResult &result) {
    for (const Fault &fault : result.faults)
      ADD_FAILURE() << fault.message;
  }

  Device device;
  std::string source, message;
};

std::string replaced(std::string text, const std::string &from,
                     const std::string &to) {
  size_t place = text.find(from);
  EXPECT_NE(place, std::string::npos) << from;
  return place == std::string::npos ? text
                                    : text.replace(place, from.size(), to);
}

/// y = a x + y over 3 blocks of 64 threads, 150 elements.
const std::string saxpy = R"(
define ptx_kernel void @k(ptr addrspace(1) %x, ptr addrspace(1) %y) {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %b = call i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
  %n = call i32 @llvm.nvvm.read.ptx.sreg.ntid.x()
  %s = mul i32 %b, %n
  %i = add i32 %s, %t
  %in = icmp slt i32 %i, 150
  br i1 %in, label %do, label %end
do:
  %px = getelementptr float, ptr addrspace(1) %x, i32 %i
  %py = getelementptr float, ptr addrspace(1) %y, i32 %i
  %vx = load float, ptr addrspace(1) %px, align 4
  %vy = load float, ptr addrspace(1) %py, align 4
  %r = call float @llvm.fma.f32(float 2.0, float %vx, float %vy)
  store float %r, ptr addrspace(1) %py, align 4
  br label %end
end:
  ret void
}
)";

TEST_F(SimulatorTest, CountsWhatAKernelDoes) {
  std::vector<float> x(150), y(150);
  for (int i = 0; i < 150; ++i)
    x[i] = float(i), y[i] = 1;
  float *dx = upload(x), *dy = upload(y);
  LaunchResult result = run(saxpy, {{3}, {64}}, {dx, dy});
  expectNoFault(result);
  std::vector<float> found = download(dy, 150);
  for (int i = 0; i < 150; ++i)
    EXPECT_EQ(found[i], 2 * float(i) + 1);
  EXPECT_EQ(result.counters.flops, 300u);
  EXPECT_EQ(result.counters.globalRead, 1200u);
  EXPECT_EQ(result.counters.globalWritten, 600u);
  // 192 threads run seven instructions, 150 of them seven more, 192 one.
  EXPECT_EQ(result.counters.instructions, 192u * 7 + 150 * 7 + 192);
  // Five warps at three places, the last with 22 lanes: three sectors.
  EXPECT_EQ(result.counters.globalAccesses, 15u);
  EXPECT_EQ(result.counters.sectors, 3u * (4 * 4 + 3));
  EXPECT_EQ(result.counters.leastSectors, result.counters.sectors);
}

TEST_F(SimulatorTest, SeesScatteredAccesses) {
  // Element 8 i: each lane has a sector of its own.
  std::string text = replaced(saxpy, "%i = add i32 %s, %t",
                              "%j = add i32 %s, %t\n  %i = mul i32 %j, 8");
  float *dx = upload(std::vector<float>(150)),
        *dy = upload(std::vector<float>(150));
  LaunchResult result = run(text, {{1}, {19}}, {dx, dy});
  expectNoFault(result);
  EXPECT_EQ(result.counters.sectors, 3u * 19);
  EXPECT_EQ(result.counters.leastSectors, 3u * 3);
}

TEST_F(SimulatorTest, RefusesWhatIsOutOfBounds) {
  float *dx = upload(std::vector<float>(149)),
        *dy = upload(std::vector<float>(150));
  LaunchResult result = run(saxpy, {{3}, {64}}, {dx, dy});
  expectFault(result, FaultKind::OutOfBounds,
              "thread (21, 0, 0) of block (2, 0, 0) reads 4 bytes of no array "
              "at '%vx = load float");
  EXPECT_NE(result.faults[0].message.find("has 596 bytes, and this is at 596"),
            std::string::npos)
      << result.faults[0].message;
}

TEST_F(SimulatorTest, RefusesMisalignedVectors) {
  const std::string text = R"(
define ptx_kernel void @k(ptr addrspace(1) %x) {
  %p = getelementptr float, ptr addrspace(1) %x, i32 1
  %v = load <4 x float>, ptr addrspace(1) %p, align 16
  store <4 x float> %v, ptr addrspace(1) %x, align 16
  ret void
})";
  LaunchResult result = run(text, {{1}, {1}}, {upload(std::vector<float>(8))});
  expectFault(result, FaultKind::Misaligned, "is no multiple of 16");
}

TEST_F(SimulatorTest, ReportsUninitialisedReads) {
  float *dx = static_cast<float *>(device.allocate(600)),
        *dy = upload(std::vector<float>(150));
  LaunchResult result = run(saxpy, {{3}, {64}}, {dx, dy});
  expectFault(result, FaultKind::Uninitialised, "'%vx = load float");
  EXPECT_EQ(result.faults.size(), 1u);
}

/// Reverses 64 numbers through shared memory.
const std::string reverse = R"(
@s = internal addrspace(3) global [64 x float] undef, align 16
define ptx_kernel void @k(ptr addrspace(1) %x) {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %p = getelementptr float, ptr addrspace(1) %x, i32 %t
  %v = load float, ptr addrspace(1) %p, align 4
  %q = getelementptr float, ptr addrspace(3) @s, i32 %t
  store float %v, ptr addrspace(3) %q, align 4
  call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
  %u = sub i32 63, %t
  %r = getelementptr float, ptr addrspace(3) @s, i32 %u
  %w = load float, ptr addrspace(3) %r, align 4
  store float %w, ptr addrspace(1) %p, align 4
  ret void
}
)";
const char *theBarrier =
    "call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)\n";

TEST_F(SimulatorTest, RunsBlocksWithBarriers) {
  std::vector<float> x(64);
  for (int i = 0; i < 64; ++i)
    x[i] = float(i);
  float *dx = upload(x);
  LaunchResult result = run(reverse, {{1}, {64}}, {dx});
  expectNoFault(result);
  std::vector<float> found = download(dx, 64);
  for (int i = 0; i < 64; ++i)
    EXPECT_EQ(found[i], float(63 - i));
  EXPECT_EQ(result.counters.barriers, 1u);
  EXPECT_EQ(result.counters.sharedRead, 256u);
  EXPECT_EQ(result.counters.sharedWritten, 256u);
  EXPECT_EQ(result.counters.bankConflicts, 0u);
}

/// `reverse` with its shared memory set first, so that what is read too early
/// is there.
std::string withMemorySet(const std::string &text) {
  return replaced(text, "store float %v, ptr addrspace(3) %q, align 4",
                  "store float 0.0, ptr addrspace(3) %q, align 4\n  " +
                      std::string(theBarrier) +
                      "  store float %v, ptr addrspace(3) %q, align 4");
}

TEST_F(SimulatorTest, SeesAMissingBarrier) {
  std::string text = replaced(reverse, theBarrier, "");
  expectFault(
      run(withMemorySet(text), {{1}, {64}}, {upload(std::vector<float>(64))}),
      FaultKind::Race, "with nothing between them");
  // Threads run one after another: the first one reads what nobody has written.
  expectFault(run(text, {{1}, {64}}, {upload(std::vector<float>(64))}),
              FaultKind::Uninitialised, "reads shared memory");
  expectNoFault(run(withMemorySet(reverse), {{1}, {64}},
                    {upload(std::vector<float>(64))}));
}

TEST_F(SimulatorTest, ABarrierOfAWarpIsNoneOfTheBlock) {
  std::string text = replaced(reverse, theBarrier,
                              "call void @llvm.nvvm.bar.warp.sync(i32 -1)\n");
  // Within one warp it is enough.
  std::string one = replaced(text, "sub i32 63, %t", "sub i32 31, %t");
  expectNoFault(run(one, {{1}, {32}}, {upload(std::vector<float>(32))}));
  expectFault(
      run(withMemorySet(text), {{1}, {64}}, {upload(std::vector<float>(64))}),
      FaultKind::Race, "with nothing between them");
  // And of some lanes it is none of the others.
  std::string some = withMemorySet(
      replaced(replaced(reverse, theBarrier, "br label %half\n"),
               "%u = sub i32 63, %t", "unused:\n  %u = sub i32 31, %t"));
  some = replaced(some, "br label %half\n", R"(%low = icmp slt i32 %t, 16
  br i1 %low, label %half, label %unused
half:
  call void @llvm.nvvm.bar.warp.sync(i32 65535)
  br label %unused
)");
  expectFault(run(some, {{1}, {32}}, {upload(std::vector<float>(32))}),
              FaultKind::Race, "with nothing between them");
}

/// All lanes read one number, then one of them writes it.
const std::string readsThenWrites = R"(
define ptx_kernel void @k(ptr addrspace(1) %x) {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %v = load float, ptr addrspace(1) %x, align 4
  call void @llvm.nvvm.bar.warp.sync(i32 -1)
  %mine = icmp eq i32 %t, 5
  br i1 %mine, label %write, label %end
write:
  %w = load float, ptr addrspace(1) %x, align 4
  %s = fadd float %v, %w
  store float %s, ptr addrspace(1) %x, align 4
  br label %end
end:
  ret void
}
)";

TEST_F(SimulatorTest, KnowsWhichLanesAreDone) {
  float *x = upload(std::vector<float>{1});
  expectNoFault(run(readsThenWrites, {{1}, {32}}, {x}));
  expectFault(run(replaced(readsThenWrites,
                           "call void @llvm.nvvm.bar.warp.sync(i32 -1)\n", ""),
                  {{1}, {32}}, {x}),
              FaultKind::Race, "and others have read, the last time at");
  // Lanes of another warp are not.
  expectFault(run(readsThenWrites, {{1}, {64}}, {x}), FaultKind::Race,
              "with nothing between them");
}

TEST_F(SimulatorTest, SeesWritesThatOvertakeReads) {
  // A second round that writes without a barrier behind the reads of the first.
  std::string text =
      replaced(reverse, "store float %w, ptr addrspace(1) %p, align 4",
               "store float %w, ptr addrspace(3) %q, align 4");
  LaunchResult result =
      run(text, {{1}, {64}}, {upload(std::vector<float>(64))});
  expectFault(result, FaultKind::Race, "with nothing between them");
  expectNoFault(run(
      replaced(text, "store float %w, ptr addrspace(3)",
               std::string(theBarrier) + "store float %w, ptr addrspace(3)"),
      {{1}, {64}}, {upload(std::vector<float>(64))}));
}

TEST_F(SimulatorTest, CountsBankConflicts) {
  // Stride 2: two lanes a bank, two passes instead of one.
  std::string text =
      replaced(replaced(reverse, "[64 x float]", "[128 x float]"),
               "%q = getelementptr float, ptr addrspace(3) @s, i32 %t",
               "%t2 = mul i32 %t, 2\n"
               "  %q = getelementptr float, ptr addrspace(3) @s, i32 %t2");
  text = replaced(text, "%u = sub i32 63, %t", "%u = mul i32 %t, 2");
  LaunchResult result =
      run(text, {{1}, {64}}, {upload(std::vector<float>(64))});
  expectNoFault(result);
  EXPECT_EQ(result.counters.sharedAccesses, 4u);
  EXPECT_EQ(result.counters.bankConflicts, 4u);
}

TEST_F(SimulatorTest, SeesDivergentBarriers) {
  const std::string leaves = R"(
define ptx_kernel void @k() {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %c = icmp slt i32 %t, 40
  br i1 %c, label %wait, label %end
wait:
  call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
  br label %end
end:
  ret void
})";
  expectFault(run(leaves, {{1}, {64}}, {}), FaultKind::DivergentBarrier,
              "but 24 of the block's 64 threads have left");
  const std::string apart = R"(
define ptx_kernel void @k() {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %c = icmp slt i32 %t, 40
  br i1 %c, label %one, label %other
one:
  call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
  br label %end
other:
  call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
  br label %end
end:
  ret void
})";
  expectFault(run(apart, {{1}, {64}}, {}), FaultKind::DivergentBarrier,
              "of the same warp at");
  // Whole warps may wait at different ones.
  expectNoFault(run(replaced(apart, "%t, 40", "%t, 32"), {{1}, {64}}, {}));
}

TEST_F(SimulatorTest, Shuffles) {
  const std::string text = R"(
define ptx_kernel void @k(ptr addrspace(1) %x) {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %f = uitofp i32 %t to float
  %d = call float @llvm.nvvm.shfl.sync.down.f32(i32 -1, float %f, i32 3, i32 31)
  %di = fptoui float %d to i32
  %u = call i32 @llvm.nvvm.shfl.sync.up.i32(i32 -1, i32 %t, i32 3, i32 0)
  %b = call i32 @llvm.nvvm.shfl.sync.bfly.i32(i32 -1, i32 %t, i32 5, i32 31)
  %i = call i32 @llvm.nvvm.shfl.sync.idx.i32(i32 -1, i32 %t, i32 2, i32 6175)
  %o = mul i32 %t, 4
  %p = getelementptr i32, ptr addrspace(1) %x, i32 %o
  store i32 %di, ptr addrspace(1) %p, align 4
  %p1 = getelementptr i32, ptr addrspace(1) %p, i32 1
  store i32 %u, ptr addrspace(1) %p1, align 4
  %p2 = getelementptr i32, ptr addrspace(1) %p, i32 2
  store i32 %b, ptr addrspace(1) %p2, align 4
  %p3 = getelementptr i32, ptr addrspace(1) %p, i32 3
  store i32 %i, ptr addrspace(1) %p3, align 4
  ret void
})";
  int32_t *x = upload(std::vector<int32_t>(4 * 64));
  LaunchResult result = run(text, {{1}, {64}}, {x});
  expectNoFault(result);
  std::vector<int32_t> found = download(x, 4 * 64);
  for (int t = 0; t < 64; ++t) {
    int lane = t % 32, warp = t - lane;
    EXPECT_EQ(found[4 * t], lane + 3 < 32 ? t + 3 : t);
    EXPECT_EQ(found[4 * t + 1], lane >= 3 ? t - 3 : t);
    EXPECT_EQ(found[4 * t + 2], warp + (lane ^ 5));
    // 6175 is 0x181f: segments of eight lanes.
    EXPECT_EQ(found[4 * t + 3], warp + (lane & 24) + 2);
  }
  EXPECT_EQ(result.counters.shuffles, 8u);
  expectFault(run(replaced(text, "bfly.i32(i32 -1", "bfly.i32(i32 65535"),
                  {{1}, {64}}, {x}),
              FaultKind::Mask, "is without its own lane");
  expectFault(run(text, {{1}, {48}}, {x}), FaultKind::Mask,
              "names lanes that there are not");
}

/// Copies 64 numbers, four a thread, through shared memory asynchronously.
const std::string copies = R"(
@s = internal addrspace(3) global [64 x float] undef, align 16
define ptx_kernel void @k(ptr addrspace(1) %x, ptr addrspace(1) %y) {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %o = mul i32 %t, 4
  %p = getelementptr float, ptr addrspace(1) %x, i32 %o
  %q = getelementptr float, ptr addrspace(3) @s, i32 %o
  call void @llvm.nvvm.cp.async.ca.shared.global.16(ptr addrspace(3) %q, ptr addrspace(1) %p)
  call void @llvm.nvvm.cp.async.commit.group()
  call void @llvm.nvvm.cp.async.wait.group(i32 0)
  call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
  %u = sub i32 60, %o
  %r = getelementptr float, ptr addrspace(3) @s, i32 %u
  %w = load <4 x float>, ptr addrspace(3) %r, align 16
  %z = getelementptr float, ptr addrspace(1) %y, i32 %o
  store <4 x float> %w, ptr addrspace(1) %z, align 16
  ret void
}
)";

TEST_F(SimulatorTest, CopiesAsynchronously) {
  std::vector<float> x(64);
  for (int i = 0; i < 64; ++i)
    x[i] = float(i);
  float *dx = upload(x), *dy = upload(std::vector<float>(64));
  LaunchResult result = run(copies, {{1}, {16}}, {dx, dy});
  expectNoFault(result);
  std::vector<float> found = download(dy, 64);
  for (int i = 0; i < 64; ++i)
    EXPECT_EQ(found[i], float(60 - i / 4 * 4 + i % 4));
  EXPECT_EQ(result.counters.asyncCopies, 16u);
  EXPECT_EQ(result.counters.globalRead, 256u);
  // Nobody waits for the copy; or the others do not know that it is done.
  auto hasFault = [&](const std::string &text, FaultKind kind,
                      const char *part) {
    LaunchResult result = run(text, {{1}, {16}}, {dx, dy});
    for (const Fault &fault : result.faults)
      if (fault.kind == kind && fault.message.find(part) != std::string::npos)
        return true;
    return false;
  };
  EXPECT_TRUE(
      hasFault(replaced(copies, "wait.group(i32 0)\n", "wait.group(i32 1)\n"),
               FaultKind::Race, "has not finished"));
  EXPECT_TRUE(hasFault(replaced(copies, theBarrier, ""),
                       FaultKind::Uninitialised, "reads shared memory"));
  // A copy to where others still read.
  std::string early =
      replaced(copies, "%u = sub i32 60, %o", "%u = add i32 0, %o");
  early = replaced(early, "store <4 x float> %w, ptr addrspace(1) %z, align 16",
                   "store <4 x float> %w, ptr addrspace(1) %z, align 16\n"
                   "  %r2 = getelementptr float, ptr addrspace(3) @s, i32 0\n"
                   "  %r3 = load float, ptr addrspace(3) %r2, align 16\n"
                   "  call void @llvm.nvvm.cp.async.ca.shared.global.16(ptr "
                   "addrspace(3) %q, "
                   "ptr addrspace(1) %p)");
  EXPECT_TRUE(hasFault(early, FaultKind::Race, "others have read"));
}

TEST_F(SimulatorTest, FillsCopiesWithZero) {
  std::string text = replaced(
      copies, "shared.global.16(ptr addrspace(3) %q, ptr addrspace(1) %p)",
      "shared.global.16.s(ptr addrspace(3) %q, ptr addrspace(1) %p, "
      "i32 8)");
  float *dx = upload(std::vector<float>(64, 7)),
        *dy = upload(std::vector<float>(64));
  expectNoFault(run(text, {{1}, {16}}, {dx, dy}));
  std::vector<float> found = download(dy, 64);
  for (int i = 0; i < 64; ++i)
    EXPECT_EQ(found[i], i % 4 < 2 ? 7 : 0);
}

TEST_F(SimulatorTest, KnowsTheEndsOfSharedArrays) {
  const std::string text = R"(
@a = internal addrspace(3) global [16 x float] undef, align 16
@d = external addrspace(3) global [0 x float], align 16
define ptx_kernel void @k() {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %p = getelementptr float, ptr addrspace(3) @d, i32 %t
  store float 1.0, ptr addrspace(3) %p, align 4
  ret void
}
define ptx_kernel void @other() {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %p = getelementptr float, ptr addrspace(3) @a, i32 %t
  store float 1.0, ptr addrspace(3) %p, align 4
  ret void
}
)";
  expectNoFault(run(text, {{1}, {32}, 128}, {}));
  expectFault(
      run(text, {{1}, {33}, 128}, {}), FaultKind::OutOfBounds,
      "thread (32, 0, 0) of block (0, 0, 0) writes 4 bytes of no array");
  auto module = load(text);
  ASSERT_TRUE(module) << message;
  EXPECT_EQ(module->getSharedBytes("k"), 0u);
  EXPECT_EQ(module->getSharedBytes("other"), 64u);
  auto result = device.launch(*module, "other", {{1}, {17}, 128}, {});
  ASSERT_TRUE(bool(result));
  expectFault(*result, FaultKind::OutOfBounds,
              "this is at 64 of shared memory");
}

TEST_F(SimulatorTest, RunsLocalArraysAndLibraryFunctions) {
  const std::string text = R"(
define ptx_kernel void @k(ptr addrspace(1) %x) {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %u = call i32 @llvm.nvvm.read.ptx.sreg.tid.y()
  %l = alloca [4 x float], align 16
  %q = getelementptr float, ptr %l, i32 %u
  %f = uitofp i32 %t to float
  %h = call float @__nv_tanhf(float %f)
  store float %h, ptr %q, align 4
  %v = load float, ptr %q, align 4
  %r = mul i32 %u, 8
  %i = add i32 %r, %t
  %p = getelementptr float, ptr addrspace(1) %x, i32 %i
  store float %v, ptr addrspace(1) %p, align 4
  ret void
})";
  float *x = upload(std::vector<float>(32));
  expectNoFault(run(text, {{1}, {8, 4}}, {x}));
  std::vector<float> found = download(x, 32);
  for (int i = 0; i < 32; ++i)
    EXPECT_FLOAT_EQ(found[i], std::tanh(float(i % 8)));
}

TEST_F(SimulatorTest, LoadsMatrices) {
  const std::string text = R"(
@s = internal addrspace(3) global [64 x i16] undef, align 16
define ptx_kernel void @k(ptr addrspace(1) %x) {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %o = mul i32 %t, 2
  %o1 = add i32 %o, 1
  %h = shl i32 %o1, 16
  %v = or i32 %o, %h
  %q = getelementptr i16, ptr addrspace(3) @s, i32 %o
  store i32 %v, ptr addrspace(3) %q, align 4
  call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
  %r = urem i32 %t, 8
  %r8 = mul i32 %r, 8
  %m = getelementptr i16, ptr addrspace(3) @s, i32 %r8
  %a = call i32 @llvm.nvvm.ldmatrix.sync.aligned.m8n8.x1.b16.p3(ptr addrspace(3) %m)
  %b = call i32 @llvm.nvvm.ldmatrix.sync.aligned.m8n8.x1.trans.b16.p3(ptr addrspace(3) %m)
  %p = getelementptr i32, ptr addrspace(1) %x, i32 %o
  store i32 %a, ptr addrspace(1) %p, align 4
  %p1 = getelementptr i32, ptr addrspace(1) %x, i32 %o1
  store i32 %b, ptr addrspace(1) %p1, align 4
  ret void
})";
  uint32_t *x = upload(std::vector<uint32_t>(64));
  expectNoFault(run(text, {{1}, {32}}, {x}));
  std::vector<uint32_t> found = download(x, 64);
  for (uint32_t t = 0; t < 32; ++t) {
    uint32_t row = t / 4, column = t % 4 * 2;
    EXPECT_EQ(found[2 * t], (8 * row + column) | (8 * row + column + 1) << 16);
    EXPECT_EQ(found[2 * t + 1], (8 * column + row) | (8 * (column + 1) + row)
                                                         << 16);
  }
}

TEST_F(SimulatorTest, MultipliesF16) {
  // All of A is 2, all of B 3: of sixteen terms 96, and C is 1.
  const std::string text = R"(
define ptx_kernel void @k(ptr addrspace(1) %x) {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %d = call {float, float, float, float} @llvm.nvvm.mma.m16n8k16.row.col.f32.f32(<2 x half> <half 2.0, half 2.0>, <2 x half> <half 2.0, half 2.0>, <2 x half> <half 2.0, half 2.0>, <2 x half> <half 2.0, half 2.0>, <2 x half> <half 3.0, half 3.0>, <2 x half> <half 3.0, half 3.0>, float 1.0, float 1.0, float 1.0, float 1.0)
  %d3 = extractvalue {float, float, float, float} %d, 3
  %p = getelementptr float, ptr addrspace(1) %x, i32 %t
  store float %d3, ptr addrspace(1) %p, align 4
  ret void
})";
  float *x = upload(std::vector<float>(32));
  expectNoFault(run(text, {{1}, {32}}, {x}));
  for (float value : download(x, 32))
    EXPECT_EQ(value, 97);
}

float toTF32(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  bits &= ~uint32_t(0x1fff);
  std::memcpy(&value, &bits, 4);
  return value;
}

TEST_F(SimulatorTest, MultipliesMatricesOfTF32) {
  // C[16][8] += A[16][8] B[8][8], all by rows, B by columns in registers.
  const std::string text = R"(
define ptx_kernel void @k(ptr addrspace(1) %a, ptr addrspace(1) %b, ptr addrspace(1) %c) {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %g = udiv i32 %t, 4
  %m = urem i32 %t, 4
  %g8 = add i32 %g, 8
  %m4 = add i32 %m, 4
  %r0 = mul i32 %g, 8
  %r1 = mul i32 %g8, 8
  %i0 = add i32 %r0, %m
  %i1 = add i32 %r1, %m
  %i2 = add i32 %r0, %m4
  %i3 = add i32 %r1, %m4
  %pa0 = getelementptr i32, ptr addrspace(1) %a, i32 %i0
  %pa1 = getelementptr i32, ptr addrspace(1) %a, i32 %i1
  %pa2 = getelementptr i32, ptr addrspace(1) %a, i32 %i2
  %pa3 = getelementptr i32, ptr addrspace(1) %a, i32 %i3
  %a0 = load i32, ptr addrspace(1) %pa0, align 4
  %a1 = load i32, ptr addrspace(1) %pa1, align 4
  %a2 = load i32, ptr addrspace(1) %pa2, align 4
  %a3 = load i32, ptr addrspace(1) %pa3, align 4
  %k0 = mul i32 %m, 8
  %k1 = mul i32 %m4, 8
  %j0 = add i32 %k0, %g
  %j1 = add i32 %k1, %g
  %pb0 = getelementptr i32, ptr addrspace(1) %b, i32 %j0
  %pb1 = getelementptr i32, ptr addrspace(1) %b, i32 %j1
  %b0 = load i32, ptr addrspace(1) %pb0, align 4
  %b1 = load i32, ptr addrspace(1) %pb1, align 4
  %n = mul i32 %m, 2
  %l0 = add i32 %r0, %n
  %l1 = add i32 %r1, %n
  %pc0 = getelementptr float, ptr addrspace(1) %c, i32 %l0
  %pc1 = getelementptr float, ptr addrspace(1) %pc0, i32 1
  %pc2 = getelementptr float, ptr addrspace(1) %c, i32 %l1
  %pc3 = getelementptr float, ptr addrspace(1) %pc2, i32 1
  %c0 = load float, ptr addrspace(1) %pc0, align 4
  %c1 = load float, ptr addrspace(1) %pc1, align 4
  %c2 = load float, ptr addrspace(1) %pc2, align 4
  %c3 = load float, ptr addrspace(1) %pc3, align 4
  %d = call {float, float, float, float} @llvm.nvvm.mma.m16n8k8.row.col.tf32(i32 %a0, i32 %a1, i32 %a2, i32 %a3, i32 %b0, i32 %b1, float %c0, float %c1, float %c2, float %c3)
  %d0 = extractvalue {float, float, float, float} %d, 0
  %d1 = extractvalue {float, float, float, float} %d, 1
  %d2 = extractvalue {float, float, float, float} %d, 2
  %d3 = extractvalue {float, float, float, float} %d, 3
  store float %d0, ptr addrspace(1) %pc0, align 4
  store float %d1, ptr addrspace(1) %pc1, align 4
  store float %d2, ptr addrspace(1) %pc2, align 4
  store float %d3, ptr addrspace(1) %pc3, align 4
  ret void
})";
  std::mt19937 random(1);
  auto fill = [&](size_t count) {
    std::vector<float> values(count);
    for (float &value : values)
      value = float(random() % 20001) / 10000 - 1;
    return values;
  };
  std::vector<float> a = fill(128), b = fill(64), c = fill(128);
  float *dc = upload(c);
  LaunchResult result = run(text, {{1}, {32}}, {upload(a), upload(b), dc});
  expectNoFault(result);
  std::vector<float> found = download(dc, 128);
  for (int i = 0; i < 16; ++i)
    for (int j = 0; j < 8; ++j) {
      double sum = c[8 * i + j], magnitude = std::abs(sum);
      for (int k = 0; k < 8; ++k) {
        double product = double(toTF32(a[8 * i + k])) * toTF32(b[8 * k + j]);
        sum += product;
        magnitude += std::abs(product);
      }
      EXPECT_NEAR(found[8 * i + j], sum, 8 * magnitude * 0x1p-22);
    }
  EXPECT_EQ(result.counters.matrixProducts, 1u);
  EXPECT_EQ(result.counters.matrixFlops, 2u * 16 * 8 * 8);
}

TEST_F(SimulatorTest, LoadsMatricesAndMultipliesBF16) {
  // A[16][16] of bf16 lies in shared memory by rows; B is a unit matrix's first
  // eight columns, so that C is A's.
  const std::string text = R"(
@s = internal addrspace(3) global [256 x i16] undef, align 16
define ptx_kernel void @k(ptr addrspace(1) %a, ptr addrspace(1) %c) {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %o = mul i32 %t, 8
  %p = getelementptr i16, ptr addrspace(1) %a, i32 %o
  %v = load <4 x i32>, ptr addrspace(1) %p, align 16
  %q = getelementptr i16, ptr addrspace(3) @s, i32 %o
  store <4 x i32> %v, ptr addrspace(3) %q, align 16
  call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
  %row = urem i32 %t, 16
  %half = udiv i32 %t, 16
  %x = mul i32 %row, 16
  %y = mul i32 %half, 8
  %z = add i32 %x, %y
  %m = getelementptr i16, ptr addrspace(3) @s, i32 %z
  %f = call {i32, i32, i32, i32} @llvm.nvvm.ldmatrix.sync.aligned.m8n8.x4.b16.p3(ptr addrspace(3) %m)
  %a0 = extractvalue {i32, i32, i32, i32} %f, 0
  %a1 = extractvalue {i32, i32, i32, i32} %f, 1
  %a2 = extractvalue {i32, i32, i32, i32} %f, 2
  %a3 = extractvalue {i32, i32, i32, i32} %f, 3
  %g = udiv i32 %t, 4
  %e = urem i32 %t, 4
  %e2 = mul i32 %e, 2
  %low = icmp eq i32 %e2, %g
  %e3 = add i32 %e2, 1
  %high = icmp eq i32 %e3, %g
  %bl = select i1 %low, i32 16256, i32 0
  %bh = select i1 %high, i32 1065353216, i32 0
  %b0 = or i32 %bl, %bh
  %d = call {float, float, float, float} @llvm.nvvm.mma.m16n8k16.row.col.bf16(i32 %a0, i32 %a1, i32 %a2, i32 %a3, i32 %b0, i32 0, float 0.0, float 0.0, float 0.0, float 0.0)
  %d0 = extractvalue {float, float, float, float} %d, 0
  %d1 = extractvalue {float, float, float, float} %d, 1
  %d2 = extractvalue {float, float, float, float} %d, 2
  %d3 = extractvalue {float, float, float, float} %d, 3
  %r = mul i32 %g, 8
  %w = add i32 %r, %e2
  %pc0 = getelementptr float, ptr addrspace(1) %c, i32 %w
  %pc1 = getelementptr float, ptr addrspace(1) %pc0, i32 1
  %pc2 = getelementptr float, ptr addrspace(1) %pc0, i32 64
  %pc3 = getelementptr float, ptr addrspace(1) %pc0, i32 65
  store float %d0, ptr addrspace(1) %pc0, align 4
  store float %d1, ptr addrspace(1) %pc1, align 4
  store float %d2, ptr addrspace(1) %pc2, align 4
  store float %d3, ptr addrspace(1) %pc3, align 4
  ret void
})";
  std::vector<uint16_t> a(256);
  std::vector<float> values(256);
  for (int i = 0; i < 256; ++i) {
    values[i] = float(i);
    uint32_t bits;
    std::memcpy(&bits, &values[i], 4);
    a[i] = uint16_t(bits >> 16);
  }
  float *dc = upload(std::vector<float>(128));
  LaunchResult result = run(text, {{1}, {32}}, {upload(a), dc});
  expectNoFault(result);
  std::vector<float> found = download(dc, 128);
  for (int i = 0; i < 16; ++i)
    for (int j = 0; j < 8; ++j)
      EXPECT_EQ(found[8 * i + j], values[16 * i + j]) << i << " " << j;
}

/// Two sweeps with a barrier of the whole grid between: every block writes its
/// number, then reads its neighbour's.
const std::string grid = R"(
define ptx_kernel void @k(ptr addrspace(1) %x, ptr addrspace(1) %y, ptr addrspace(1) %count) {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %b = call i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
  %n = call i32 @llvm.nvvm.read.ptx.sreg.nctaid.x()
  %o = mul i32 %b, 32
  %i = add i32 %o, %t
  %p = getelementptr i32, ptr addrspace(1) %x, i32 %i
  store i32 %i, ptr addrspace(1) %p, align 4
  call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
  %first = icmp eq i32 %t, 0
  br i1 %first, label %arrive, label %go
arrive:
  fence syncscope("device") acq_rel
  %old = atomicrmw add ptr addrspace(1) %count, i32 1 syncscope("device") monotonic, align 4
  br label %spin
spin:
  %seen = load atomic i32, ptr addrspace(1) %count syncscope("device") acquire, align 4
  %all = icmp uge i32 %seen, %n
  br i1 %all, label %go, label %spin
go:
  call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
  %next = add i32 %b, 1
  %there = urem i32 %next, %n
  %no = mul i32 %there, 32
  %ni = add i32 %no, %t
  %np = getelementptr i32, ptr addrspace(1) %x, i32 %ni
  %v = load i32, ptr addrspace(1) %np, align 4
  %q = getelementptr i32, ptr addrspace(1) %y, i32 %i
  store i32 %v, ptr addrspace(1) %q, align 4
  ret void
}
)";

TEST_F(SimulatorTest, RunsGridsThatWaitForEachOther) {
  int32_t *x = upload(std::vector<int32_t>(128)),
          *y = upload(std::vector<int32_t>(128)),
          *count = upload(std::vector<int32_t>{0});
  LaunchConfig config{{4}, {32}};
  config.cooperative = true;
  LaunchResult result = run(grid, config, {x, y, count});
  expectNoFault(result);
  std::vector<int32_t> found = download(y, 128);
  for (int i = 0; i < 128; ++i)
    EXPECT_EQ(found[i], (i + 32) % 128);
  auto reset = [&] {
    int32_t zero = 0;
    device.write(count, &zero, 4);
  };
  // Nothing says that the writes are done before the count.
  reset();
  expectFault(run(replaced(grid, "fence syncscope(\"device\") acq_rel\n", ""),
                  config, {x, y, count}),
              FaultKind::Race, "which thread");
  // Nor that what is read comes after it.
  reset();
  expectFault(run(replaced(grid, "syncscope(\"device\") acquire",
                           "syncscope(\"device\") monotonic"),
                  config, {x, y, count}),
              FaultKind::Race, "which thread");
  // The first thread's fence says nothing of what the others have written.
  reset();
  expectFault(run(replaced(grid, theBarrier, ""), config, {x, y, count}),
              FaultKind::Race, "which thread");
  // A fence behind the loop acquires as well.
  reset();
  expectNoFault(run(replaced(replaced(grid, "syncscope(\"device\") acquire",
                                      "syncscope(\"device\") monotonic"),
                             "br i1 %all, label %go, label %spin\n",
                             "br i1 %all, label %fenced, label %spin\nfenced:\n"
                             "  fence syncscope(\"device\") acq_rel\n"
                             "  br label %go\n"),
                    config, {x, y, count}));
  // Blocks one after another wait for ever.
  reset();
  config.cooperative = false;
  expectFault(run(grid, config, {x, y, count}), FaultKind::Deadlock,
              "for what nobody is left to write");
}

TEST_F(SimulatorTest, SeesWhatIsWaitedForInVain) {
  for (const char *attempt :
       {"%old = atomicrmw xchg ptr addrspace(1) %x, i32 1 "
        "syncscope(\"device\") "
        "acquire, align 4",
        "%both = cmpxchg ptr addrspace(1) %x, i32 0, i32 1 "
        "syncscope(\"device\") acquire monotonic, align 4\n"
        "  %old = extractvalue {i32, i1} %both, 0",
        "%old = load volatile i32, ptr addrspace(1) %x, align 4"}) {
    std::string text = R"(
define ptx_kernel void @k(ptr addrspace(1) %x) {
  br label %try
try:
  ATTEMPT
  %free = icmp eq i32 %old, 0
  br i1 %free, label %end, label %try
end:
  ret void
})";
    text = replaced(text, "ATTEMPT", attempt);
    int32_t *x = upload(std::vector<int32_t>{1});
    expectFault(run(text, {{1}, {2}}, {x}), FaultKind::Deadlock,
                "for what nobody is left to write");
    int32_t zero = 0;
    device.write(x, &zero, 4);
    expectNoFault(run(text, {{1}, {1}}, {x}));
  }
}

TEST_F(SimulatorTest, LooksAtManyFlagsInPeace) {
  // One thread looks at 2000 flags while the others wait for it.
  const std::string text = R"(
define ptx_kernel void @k(ptr addrspace(1) %x) {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %first = icmp eq i32 %t, 0
  br i1 %first, label %look, label %go
look:
  %i = phi i32 [0, %0], [%n, %look]
  %p = getelementptr i32, ptr addrspace(1) %x, i32 %i
  %v = load atomic i32, ptr addrspace(1) %p syncscope("device") acquire, align 4
  %n = add i32 %i, 1
  %more = icmp slt i32 %n, 2000
  br i1 %more, label %look, label %go
go:
  call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
  ret void
})";
  expectNoFault(run(text, {{1}, {32}}, {upload(std::vector<int32_t>(2000))}));
}

TEST_F(SimulatorTest, RefusesWhatItDoesNotKnow) {
  auto refusal = [&](const std::string &body, const std::string &before = "") {
    EXPECT_FALSE(load(before +
                      "\ndefine ptx_kernel void @k(ptr addrspace(1) "
                      "%x) {\n" +
                      body + "\n  ret void\n}\n"));
    return message;
  };
  const std::string prefix =
      "kernel code in 'k' has what the simulator does not know: ";
  EXPECT_EQ(refusal("fence syncscope(\"block\") acq_rel"),
            prefix + "syncscope 'block'");
  EXPECT_EQ(refusal("%n = ptrtoint ptr addrspace(1) %x to i32"),
            prefix + "an address in less than 64 bits");
  EXPECT_EQ(
      refusal("%v = call <4 x float> @llvm.masked.load.v4f32.p1(ptr "
              "addrspace(1) align 16 %x, <4 x i1> zeroinitializer, <4 x float> "
              "zeroinitializer)",
              "declare <4 x float> @llvm.masked.load.v4f32.p1(ptr "
              "addrspace(1), <4 x i1>, <4 x float>)"),
      prefix + "'llvm.masked.load.v4f32.p1'");
  EXPECT_EQ(refusal("%v = load float, ptr addrspace(4) @c",
                    "@c = addrspace(4) constant float 1.0"),
            "variable 'c' is in address space 4, but the simulator knows those "
            "in shared memory (3) alone");
  EXPECT_FALSE(load(R"(
define ptx_kernel void @k() {
  call void asm sideeffect "nanosleep.u32 20;", ""()
  ret void
})"));
  EXPECT_EQ(message, "kernel code in 'k' has what the simulator does not know: "
                     "inline assembly");
  EXPECT_FALSE(load(R"(
declare i32 @llvm.nvvm.read.ptx.sreg.clock()
define ptx_kernel void @k() {
  %c = call i32 @llvm.nvvm.read.ptx.sreg.clock()
  ret void
})"));
  EXPECT_EQ(message, "kernel code in 'k' has what the simulator does not know: "
                     "'llvm.nvvm.read.ptx.sreg.clock'");
  EXPECT_FALSE(load("define void @f() {\n  ret void\n}"));
  EXPECT_EQ(message, "there is no kernel in the module");
  EXPECT_FALSE(load("define nonsense"));
  EXPECT_NE(message.find("error:"), std::string::npos) << message;
}

/// y[thread] = the first of two arrays at `thread`, plus a number.
const std::string byValue = R"(
define ptx_kernel void @k(ptr byval({[2 x ptr addrspace(1)], float}) align 8 %p) {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %second = getelementptr i8, ptr %p, i64 8
  %x = load ptr addrspace(1), ptr %p, align 8
  %y = load ptr addrspace(1), ptr %second, align 8
  %third = getelementptr i8, ptr %p, i64 16
  %a = load float, ptr %third, align 4
  %px = getelementptr float, ptr addrspace(1) %x, i32 %t
  %py = getelementptr float, ptr addrspace(1) %y, i32 %t
  %v = load float, ptr addrspace(1) %px, align 4
  %r = fadd float %v, %a
  store float %r, ptr addrspace(1) %py, align 4
  ret void
}
)";

TEST_F(SimulatorTest, TakesParametersByValue) {
  auto module = load(byValue);
  ASSERT_TRUE(module) << message;
  EXPECT_EQ(module->getParameters("k").vec(), std::vector<uint32_t>{24});
  EXPECT_TRUE(module->getParameters("other").empty());
  float *x = upload(std::vector<float>{1, 2, 3, 4});
  float *y = upload(std::vector<float>(4));
  struct {
    float *x, *y;
    float a;
  } values = {x, y, 0.5f};
  auto result = device.launch(*module, "k", {{1}, {4}}, {&values});
  ASSERT_TRUE(bool(result)) << llvm::toString(result.takeError());
  expectNoFault(*result);
  EXPECT_EQ(download(y, 4), (std::vector<float>{1.5, 2.5, 3.5, 4.5}));
  // They lie in no memory of the device's.
  EXPECT_EQ(result->counters.globalRead, 16u);
}

TEST_F(SimulatorTest, KnowsWhereParametersEnd) {
  const std::string prefix =
      "kernel code in 'k' has what the simulator does not know: ";
  EXPECT_FALSE(load(replaced(byValue, "i64 16", "i64 24")));
  EXPECT_EQ(message, prefix + "a place beyond its parameter");
  EXPECT_FALSE(load(replaced(byValue, "i64 16", "i64 -8")));
  EXPECT_EQ(message, prefix + "a place beyond its parameter");
  EXPECT_FALSE(
      load(replaced(byValue, "i8, ptr %p, i64 16", "float, ptr %p, i32 %t")));
  EXPECT_EQ(message, prefix + "a place in a parameter that is no constant");
  EXPECT_FALSE(load(
      replaced(byValue, "ret void", "store float %r, ptr %third\n  ret void")));
  EXPECT_EQ(message, prefix + "a parameter that is written");
  // One of two places, one of which is in memory.
  EXPECT_FALSE(load(R"(
define ptx_kernel void @k(ptr byval(float) align 4 %p, ptr %q, i1 %c) {
  %r = select i1 %c, ptr %p, ptr %q
  %v = load float, ptr %r, align 4
  ret void
})"));
  EXPECT_EQ(message, prefix + "a place in a parameter that is no constant");
}

TEST_F(SimulatorTest, PinnedValuesAreThemselves) {
  auto module = load(R"(
define ptx_kernel void @k(ptr addrspace(1) %x) {
  %v = load float, ptr addrspace(1) %x, align 4
  %w = call float asm sideeffect "", "=f,0"(float %v)
  %p = getelementptr float, ptr addrspace(1) %x, i32 1
  store float %w, ptr addrspace(1) %p, align 4
  ret void
})");
  ASSERT_TRUE(module) << message;
  float *x = upload(std::vector<float>{3, 0});
  auto result = device.launch(*module, "k", {{1}, {1}}, {&x});
  ASSERT_TRUE(bool(result)) << llvm::toString(result.takeError());
  EXPECT_EQ(download(x, 2), (std::vector<float>{3, 3}));
}

TEST_F(SimulatorTest, RoundsToBFloatAsTheDeviceDoes) {
  const std::string text = R"(
define ptx_kernel void @k(ptr addrspace(1) %x, ptr addrspace(1) %y) {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %p = getelementptr float, ptr addrspace(1) %x, i32 %t
  %v = load float, ptr addrspace(1) %p, align 4
  %b = fptrunc float %v to bfloat
  %q = getelementptr bfloat, ptr addrspace(1) %y, i32 %t
  store bfloat %b, ptr addrspace(1) %q, align 2
  %one = insertelement <2 x float> zeroinitializer, float %v, i32 1
  %two = fptrunc <2 x float> %one to <2 x bfloat>
  %r = getelementptr <2 x bfloat>, ptr addrspace(1) %y, i32 4
  %s = getelementptr <2 x bfloat>, ptr addrspace(1) %r, i32 %t
  store <2 x bfloat> %two, ptr addrspace(1) %s, align 4
  ret void
})";
  // Ties to even below and above, a carry into the exponent, infinity from a
  // finite number, infinity, a NaN whose upper half is infinity's, and
  // subnormal numbers.
  const std::vector<uint32_t> given = {0x3f808000, 0x3f818000, 0xbfffffff,
                                       0x7f7fffff, 0xff800000, 0xff800001,
                                       0x00008001, 0x80018000};
  const std::vector<uint16_t> expected = {0x3f80, 0x3f82, 0xc000, 0x7f80,
                                          0xff80, 0x7fff, 0x0001, 0x8002};
  uint32_t *x = upload(given);
  uint16_t *y = upload(std::vector<uint16_t>(24));
  expectNoFault(run(text, {{1}, {8}}, {x, y}));
  std::vector<uint16_t> found = download(y, 24);
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(found[i], expected[i]) << i;
    EXPECT_EQ(found[8 + 2 * i], 0) << i;
    EXPECT_EQ(found[9 + 2 * i], expected[i]) << i;
  }
}

TEST_F(SimulatorTest, RefusesToRoundDoubleToBFloat) {
  auto module = load(R"(
define ptx_kernel void @k(ptr addrspace(1) %x, double %d) {
  %b = fptrunc double %d to bfloat
  store bfloat %b, ptr addrspace(1) %x, align 2
  ret void
})");
  EXPECT_FALSE(module);
  EXPECT_NE(message.find("rounding to bfloat of another type than float"),
            std::string::npos)
      << message;
}

TEST_F(SimulatorTest, FaultsHaveLinesAndThoseOfCalls) {
  const std::string inlined = R"(
define ptx_kernel void @k(ptr addrspace(1) %x) !dbg !3 {
  %p = getelementptr float, ptr addrspace(1) %x, i32 9
  %v = load float, ptr addrspace(1) %p, align 4, !dbg !5
  ret void
}
!llvm.module.flags = !{!0}
!llvm.dbg.cu = !{!1}
!0 = !{i32 2, !"Debug Info Version", i32 3}
!1 = distinct !DICompileUnit(language: DW_LANG_C, file: !2, emissionKind: DebugDirectivesOnly)
!2 = !DIFile(filename: "m.pcir", directory: "")
!3 = distinct !DISubprogram(name: "k", scope: !2, file: !2, line: 1, unit: !1, spFlags: DISPFlagDefinition)
!4 = distinct !DISubprogram(name: "layer", scope: !2, file: !2, line: 6, unit: !1, spFlags: DISPFlagDefinition)
!5 = !DILocation(line: 7, scope: !4, inlinedAt: !6)
!6 = distinct !DILocation(line: 12, scope: !3)
)";
  float *x = upload(std::vector<float>(4));
  auto fault = [&](const std::string &text) -> std::string {
    auto module = load(text);
    EXPECT_TRUE(module) << message;
    auto result = device.launch(*module, "k", {{1}, {1}}, {&x});
    EXPECT_TRUE(bool(result));
    EXPECT_EQ(result->faults.size(), 1u);
    return result->faults[0].message;
  };
  EXPECT_NE(fault(inlined).find("align 4, !dbg !"), std::string::npos);
  EXPECT_NE(fault(inlined).find(" (line 7, called from line 12)"),
            std::string::npos)
      << fault(inlined);
  EXPECT_NE(fault(replaced(inlined, "scope: !4, inlinedAt: !6", "scope: !3"))
                .find(" (line 7)"),
            std::string::npos);
}

TEST_F(SimulatorTest, RefusesConfigurations) {
  auto module = load(reverse);
  ASSERT_TRUE(module) << message;
  EXPECT_TRUE(module->hasKernel("k"));
  EXPECT_EQ(module->getSharedBytes("k"), 256u);
  void *none = nullptr;
  auto refused = [&](const LaunchConfig &config,
                     llvm::ArrayRef<void *> arguments,
                     const char *kernel = "k") {
    auto result = device.launch(*module, kernel, config, arguments);
    return result ? std::string("not refused")
                  : llvm::toString(result.takeError());
  };
  void *argument = &none;
  EXPECT_EQ(refused({{1}, {2048}}, {argument}),
            "kernel 'k': a grid of (1, 1, 1) blocks of (2048, 1, 1) threads; a "
            "block has 1 to 1024 threads, 64 along z, and a grid 1 to "
            "2147483647 blocks, 65535 along y and z");
  LaunchConfig large{{4096}, {1024}};
  large.cooperative = true;
  EXPECT_EQ(refused(large, {argument}),
            "kernel 'k': 4194304 threads that wait for each other, but 270336 "
            "can be there at once");
  EXPECT_EQ(refused({{1}, {32}, 1u << 20}, {argument}),
            "kernel 'k': 1048832 bytes of shared memory, but a block has "
            "232448");
  EXPECT_EQ(refused({{1}, {32}}, {}),
            "kernel 'k' has 1 parameters, but 0 arguments were given");
  EXPECT_EQ(refused({{1}, {32}}, {argument}, "other"),
            "there is no kernel 'other'");
}

TEST_F(SimulatorTest, KnowsItsArrays) {
  void *array = device.allocate(10);
  ASSERT_TRUE(array);
  char bytes[20] = {};
  EXPECT_TRUE(device.write(array, bytes, 10));
  EXPECT_FALSE(device.write(array, bytes, 11));
  EXPECT_FALSE(device.read(bytes, static_cast<char *>(array) + 1, 10));
  EXPECT_TRUE(device.fill(array, 7, 10));
  EXPECT_TRUE(device.read(bytes, array, 10));
  EXPECT_EQ(bytes[9], 7);
  EXPECT_TRUE(device.write(array, nullptr, 0));
  EXPECT_TRUE(device.read(nullptr, array, 0));
  EXPECT_FALSE(device.release(static_cast<char *>(array) + 1));
  EXPECT_TRUE(device.release(array));
  EXPECT_FALSE(device.release(array));
  EXPECT_FALSE(device.read(bytes, array, 1));
}

} // namespace
