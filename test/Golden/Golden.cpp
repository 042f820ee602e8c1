//===- Golden.cpp - Numbers of PCX to compare with ------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Golden.h"
#include "pcx/Data/Npy.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sstream>

using namespace pcx;
using namespace pcx::test;

//===----------------------------------------------------------------------===//
// Files
//===----------------------------------------------------------------------===//

std::string Setting::vode(int64_t index) const {
  return index + 1 == layers() ? "label" : "h" + std::to_string(index + 1);
}

std::string Setting::parameter(int64_t index) const {
  return "fc" + std::to_string(index / 2 + 1) +
         (index % 2 ? ".bias" : ".weight");
}

std::optional<std::string> test::goldenFolder() {
  const char *shared = std::getenv("PCX_SHARED_DIR");
  std::string folder =
      std::string(shared ? shared : PCX_SHARED_DIR) + "/golden";
  return std::filesystem::is_directory(folder) ? std::optional(folder)
                                               : std::nullopt;
}

std::vector<std::string> test::goldenNames() {
  std::vector<std::string> names;
  if (auto folder = goldenFolder())
    for (const auto &entry : std::filesystem::directory_iterator(*folder))
      if (entry.path().extension() == ".npz")
        names.push_back(entry.path().stem().string());
  std::sort(names.begin(), names.end());
  return names;
}

/// Parses `meta`. The generator writes every field.
static bool parseSetting(const std::string &text, Setting &setting) {
  auto meta = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!meta.is_object())
    return false;
  for (const char *key :
       {"batch", "T", "beta", "h_lr", "h_momentum", "w_lr", "w_wd", "steps"})
    if (!meta[key].is_number())
      return false;
  for (const char *key : {"dims", "act", "energy", "algo"})
    if (!meta[key].is_string())
      return false;
  std::stringstream dims(meta["dims"].get<std::string>());
  for (std::string dim; std::getline(dims, dim, ',');)
    setting.dims.push_back(std::strtoll(dim.c_str(), nullptr, 10));
  setting.activation = meta["act"];
  setting.energy = meta["energy"];
  setting.algorithm = meta["algo"];
  setting.batch = meta["batch"];
  setting.steps = meta["T"];
  setting.beta = meta["beta"];
  setting.stateRate = meta["h_lr"];
  setting.stateMomentum = meta["h_momentum"];
  setting.weightRate = meta["w_lr"];
  setting.weightDecay = meta["w_wd"];
  setting.schedule = meta["schedule"].is_boolean() && meta["schedule"];
  setting.batches = meta["steps"];
  return true;
}

std::optional<GoldenFile> test::readGolden(const std::string &name,
                                           std::string &error) {
  auto fail = [&](const std::string &message) {
    error = message;
    return std::optional<GoldenFile>();
  };
  auto folder = goldenFolder();
  if (!folder)
    return fail("no golden folder");
  auto npz = data::NpzFile::open(*folder + "/" + name + ".npz");
  if (!npz)
    return fail(npz.error().message);
  GoldenFile file;
  file.name = name;
  for (const std::string &array : npz->names()) {
    auto value = npz->read(array);
    if (!value)
      return fail(value.error().message);
    if (value->dtype == data::DType::Text) {
      std::string text(reinterpret_cast<const char *>(value->bytes.data()),
                       value->bytes.size());
      if (!parseSetting(text, file.setting))
        return fail("cannot read the settings of " + name);
      continue;
    }
    Numbers &numbers = file.arrays[array];
    numbers.dims = value->dims;
    for (int64_t i = 0; i < value->elements(); ++i)
      numbers.data.push_back(value->at(i));
  }
  // Only runs have weights from before the first batch under this name.
  if (!file.arrays.count("w0_0"))
    file.setting.batches = 0;
  if (file.setting.layers() < 1)
    return fail("no settings in " + name);
  return file;
}

//===----------------------------------------------------------------------===//
// Programs
//===----------------------------------------------------------------------===//

std::string test::literal(double value) {
  char buffer[40];
  std::snprintf(buffer, sizeof(buffer), "%.17g", value);
  std::string text = buffer;
  if (text.find('.') == std::string::npos)
    text.insert(std::min(text.find('e'), text.size()), ".0");
  return text;
}

/// The warm-up cosine as PCX computes it when there is a warm-up, even in
/// float64: optax joins it to a linear piece in float32, so every rate is
/// rounded to float32, and the first comes from float32 arithmetic. For a
/// warm-up of one step, which is what the golden run has.
constexpr const char *kSingleSchedule = R"(
    %exact = pc.schedule warmup_cosine(%w_lr) peak(1.1) warmup(0.1) end(0.1)
    %rounded = arith.truncf %exact : f64 to f32
    %peak_factor = arith.constant 1.1 : f64
    %peak = arith.mulf %w_lr, %peak_factor : f64
    %difference = arith.subf %w_lr, %peak : f64
    %single_difference = arith.truncf %difference : f64 to f32
    %single_peak = arith.truncf %peak : f64 to f32
    %first = arith.addf %single_difference, %single_peak : f32
    %count = pc.counter weight_step
    %zero = arith.constant 0.0 : f64
    %is_first = arith.cmpf oeq, %count, %zero : f64
    %single = arith.select %is_first, %first, %rounded : f32
    %lr = arith.extf %single : f32 to f64
)";

std::string test::sourceText(const GoldenFile &file) {
  const Setting &s = file.setting;
  auto type = [&](int64_t layer) {
    return "tensor<" + std::to_string(s.dims[layer]) + "xf32>";
  };
  std::ostringstream out;
  out << "// " << file.name << "\npc.model @net {\n"
      << "  %x0 = pc.input @image : " << type(0) << "\n";
  for (int64_t l = 1; l <= s.layers(); ++l) {
    out << "  %a" << l << " = pc.linear @fc" << l << " %x" << l - 1 << " : "
        << type(l - 1) << " -> " << type(l) << "\n";
    bool last = l == s.layers();
    if (!last)
      out << "  %u" << l << " = pc." << s.activation << " %a" << l << " : "
          << type(l) << "\n";
    out << "  %x" << l << " = pc.vode @" << s.vode(l - 1) << " %"
        << (last ? "a" : "u") << l << " energy(" << (last ? s.energy : "se")
        << ") : " << type(l) << "\n";
  }
  out << "}\n\n";

  std::string label = type(s.layers());
  std::string adamw = "adamw(lr = %lr, weight_decay = %weight_decay)";
  std::string schedule =
      s.schedule
          ? "%lr = pc.schedule warmup_cosine(%w_lr) peak(1.1) warmup(0.1) "
            "end(0.1)\n"
          : "%lr = pc.schedule constant(%w_lr)\n";
  out << "pc.program @train on @net (%image: " << type(0)
      << ", %label: " << label << ") {\n"
      << "  %h_lr = pc.hyper \"h_lr\" default " << literal(s.stateRate) << "\n"
      << "  %h_momentum = pc.hyper \"h_momentum\" default "
      << literal(s.stateMomentum) << "\n"
      << "  %w_lr = pc.hyper \"w_lr\" default " << literal(s.weightRate) << "\n"
      << "  %weight_decay = pc.hyper \"weight_decay\" default "
      << literal(s.weightDecay) << "\n"
      << "  pc.clamp @image = %image : " << type(0) << "\n";
  std::string infer = "pc.infer sgd(lr = %h_lr, momentum = %h_momentum)\n";
  if (s.algorithm == "bp") {
    out << "  " << schedule << "  pc.backprop @label = %label loss("
        << (s.energy == "se" ? "sse" : "ce") << ") " << adamw
        << " report(\"energy\") : " << label << "\n}\n";
    return out.str();
  }
  out << "  pc.init forward\n";
  if (s.beta == 1)
    out << "  pc.clamp @label = %label : " << label << "\n";
  else
    out << "  %beta = pc.hyper \"beta\" default " << literal(s.beta) << "\n"
        << "  pc.nudge @label = %label beta(%beta) : " << label << "\n";
  out << "  pc.repeat " << s.steps << " {\n";
  if (s.algorithm == "ipc") {
    if (s.schedule)
      schedule = kSingleSchedule;
    out << "    " << schedule << "    pc.joint {\n      pc.report \"energy\" = "
        << "energy\n      " << infer << "      pc.learn " << adamw
        << "\n    }\n  }\n}\n";
    return out.str();
  }
  out << "    " << infer << "  }\n"
      << "  pc.report \"energy\" = energy" << (s.batches ? "" : " over sum")
      << "\n  %u = pc.predict @label : " << label
      << "\n  pc.output \"prediction\" = %u : " << label << "\n  " << schedule;
  if (s.beta != 1)
    out << "  %one = arith.constant 1.0 : f64\n"
        << "  %scale = arith.divf %one, %beta : f64\n";
  out << "  pc.learn " << adamw << (s.beta == 1 ? "" : " scale(%scale)")
      << "\n}\n";
  return out.str();
}

//===----------------------------------------------------------------------===//
// Comparison
//===----------------------------------------------------------------------===//

namespace {

/// What an array is: each kind has its own bound in f32.
enum class Quantity { State, Gradient, Energy, WeightGradient, Weight };

double largest(const Numbers &numbers) {
  double result = 0;
  for (double value : numbers.data)
    result = std::max(result, std::abs(value));
  return result;
}

double norm(const Numbers &numbers) {
  double sum = 0;
  for (double value : numbers.data)
    sum += value * value;
  return std::sqrt(sum);
}

double cosine(const Numbers &a, const Numbers &b) {
  double sum = 0;
  for (size_t i = 0; i < a.data.size(); ++i)
    sum += a.data[i] * b.data[i];
  return sum / (norm(a) * norm(b));
}

Numbers minus(Numbers a, const Numbers &b) {
  for (size_t i = 0; i < a.data.size(); ++i)
    a.data[i] -= b.data[i];
  return a;
}

/// Compares arrays of one golden file.
class Comparison {
public:
  Comparison(const GoldenFile &file, const Policy &policy)
      : file(file), policy(policy) {
    for (const auto &[name, array] : file.arrays)
      if (name[0] == 'h' || name == "u_out")
        largestState = std::max(largestState, largest(array));
  }

  /// Compares `found`, called `name` by the provider, with a golden array.
  void compare(const std::string &golden, Quantity quantity,
               const std::string &name, const Numbers *found,
               double factor = 1) {
    SCOPED_TRACE(file.name + ": " + golden + " against " + name);
    ++compared;
    auto expected = file.arrays.find(golden);
    ASSERT_NE(expected, file.arrays.end()) << "not in the golden file";
    ASSERT_TRUE(found) << "not provided";
    Numbers scaled = *found;
    for (double &value : scaled.data)
      value *= factor;
    check(golden, quantity, expected->second, scaled);
  }
  /// The same for the array `key` of what is provided.
  void compare(const std::string &golden, Quantity quantity,
               const std::string &name, const Arrays &provided,
               const std::string &key, double factor = 1) {
    auto it = provided.find(key);
    compare(golden, quantity, name,
            it == provided.end() ? nullptr : &it->second, factor);
  }

  int compared = 0;

private:
  void check(const std::string &golden, Quantity quantity,
             const Numbers &expected, const Numbers &found) {
    ASSERT_EQ(found.dims, expected.dims);
    ASSERT_EQ(found.data.size(), expected.data.size());
    // What the algebra makes zero is zero, to the bit: Adam makes full steps of
    // rounding noise.
    if (quantity == Quantity::Gradient || quantity == Quantity::Energy ||
        quantity == Quantity::WeightGradient)
      for (size_t i = 0; i < expected.data.size(); ++i)
        if (expected.data[i] == 0)
          ASSERT_EQ(found.data[i], 0.0) << "element " << i << " must be zero";
    if (policy.single)
      checkSingle(golden, quantity, expected, found);
    else
      within(1e-9 * largest(expected), expected, found);
  }

  /// f32. One rounding of a state is 2^-24 max|h|.
  ///
  /// - A state, a prediction, a gradient of a state: 64 roundings.
  /// - An energy: what errors of that size make of a sum of squares.
  /// - A weight gradient: its error is a sum of independent roundings over the
  ///   batch, so its norm is at most 4 roundings times sqrt(batch * size).
  /// - Weights: Adam's first steps are +-lr whatever the size of the gradient,
  ///   and where the gradient is noise so is the step: each weight within twice
  ///   the steps taken, and the updates in nearly the same direction. With iPC
  ///   the weights move before the error arrives: at first h - u of the deeper
  ///   vodes is what weight decay does to u in one step, 1e-7, less than one
  ///   rounding. There the first steps are noise in any f32 code, PCX's too.
  ///
  /// Where operands of products are rounded to fewer digits, a rounding is that
  /// of an operand. As it is made before the sums, not in each of them, four do
  /// where f32 is allowed 64. In runs of iPC the directions of the deeper
  /// layers' steps are then not compared.
  void checkSingle(const std::string &golden, Quantity quantity,
                   const Numbers &expected, const Numbers &found) {
    const Setting &s = file.setting;
    const bool joint = s.algorithm == "ipc";
    const bool reduced = policy.operandRounding > 0x1p-24;
    const double rounding = policy.operandRounding * largestState;
    const double few = reduced ? 4 : 64;
    switch (quantity) {
    case Quantity::State:
    case Quantity::Gradient:
      return within(few * rounding, expected, found);
    case Quantity::Energy: {
      // The mean energy of a run: its weights carry the noise of all steps.
      if (s.batches) {
        double exact = joint ? 2e-2 : 1e-4;
        double narrow = joint ? 1e-1 : policy.operandRounding / 4;
        return within((reduced ? narrow : exact) * largest(expected), expected,
                      found);
      }
      // |d(1/2 |e|^2)| <= |e| |de| + |de|^2 / 2 and |de| <= sqrt(width) error,
      // for each sample, and as many times more for a sum over the batch.
      double width = *std::max_element(s.dims.begin() + 1, s.dims.end());
      double samples = expected.dims.empty() ? s.batch : 1;
      double size = std::sqrt(2 * largest(expected) / samples);
      double moved = std::sqrt(width) * few * rounding;
      return within(samples * (size * moved + moved * moved), expected, found);
    }
    case Quantity::WeightGradient:
      EXPECT_LE(norm(minus(found, expected)),
                4 * rounding *
                    std::sqrt(static_cast<double>(s.batch) *
                              static_cast<double>(found.data.size())));
      EXPECT_GT(cosine(found, expected), 0.999);
      return;
    case Quantity::Weight: {
      int64_t taken = std::max<int64_t>(s.batches, 1) * (joint ? s.steps : 1);
      within(2.2 * s.weightRate * taken, expected, found);
      std::string index = golden.substr(golden.rfind('_'));
      const Numbers &before =
          file.arrays.at((s.batches ? "w0" : "w_before") + index);
      int64_t fromOutput =
          s.layers() - 1 - std::strtoll(index.c_str() + 1, nullptr, 10) / 2;
      double alike = !joint            ? (reduced ? 0.95 : 0.99)
                     : fromOutput == 0 ? 0.999
                     : fromOutput == 1 ? 0.99
                     : reduced         ? -1
                                       : 0.5;
      EXPECT_GT(cosine(minus(found, before), minus(expected, before)), alike);
      return;
    }
    }
  }

  static void within(double bound, const Numbers &expected,
                     const Numbers &found) {
    double worst = 0;
    size_t where = 0;
    for (size_t i = 0; i < expected.data.size(); ++i) {
      double distance = std::abs(found.data[i] - expected.data[i]);
      // NaN is never within the bound.
      if (!(distance <= worst))
        worst = distance, where = i;
    }
    EXPECT_LE(worst, bound)
        << "element " << where << " is " << found.data[where] << ", expected "
        << expected.data[where] << " of at most " << largest(expected);
  }

  const GoldenFile &file;
  const Policy &policy;
  /// max|h| over all states and predictions of the file.
  double largestState = 0;
};

/// Replaces numbers of `found` by the expected ones where they differ by at
/// most eight times what `disturbed` and `found` differ by at most in the same
/// row.
void forgive(const Numbers &expected, const Numbers &disturbed,
             Numbers &found) {
  size_t width = expected.dims.size() > 1 ? expected.dims.back() : 1;
  for (size_t row = 0; row + width <= found.data.size(); row += width) {
    double moved = 0;
    for (size_t i = row; i < row + width; ++i)
      moved = std::max(moved, std::abs(disturbed.data[i] - found.data[i]));
    for (size_t i = row; i < row + width; ++i)
      if (std::abs(expected.data[i] - found.data[i]) <= 8 * moved)
        found.data[i] = expected.data[i];
  }
}

/// Sum over samples and vodes of the energies at step t.
Numbers totalEnergy(const Setting &setting, const Arrays &outputs, int64_t t) {
  double sum = 0;
  for (int64_t v = 0; v < setting.layers(); ++v) {
    auto it = outputs.find(setting.vode(v) + ".energy." + std::to_string(t));
    if (it == outputs.end())
      return {{}, {std::nan("")}};
    for (double value : it->second.data)
      sum += value;
  }
  return {{}, {sum}};
}

/// One batch with all its intermediates.
void compareStep(const GoldenFile &file, Provider &provider,
                 const Policy &policy) {
  const Setting &s = file.setting;
  Comparison comparison(file, policy);
  provider.reset();
  for (int64_t i = 0; i < s.parameters(); ++i)
    provider.setStorage(s.parameter(i),
                        file.arrays.at("w_before_" + std::to_string(i)));
  provider.setTotalSteps(0);
  Arrays outputs = provider.train(s.batch, {{"image", file.arrays.at("x")},
                                            {"label", file.arrays.at("y")}});
  ASSERT_FALSE(outputs.empty());
  for (int64_t t = 0; t <= s.steps; ++t) {
    std::string step = std::to_string(t);
    for (int64_t v = 0; v < s.layers(); ++v) {
      std::string vode = std::to_string(v), name = s.vode(v);
      comparison.compare("h" + step + "_" + vode, Quantity::State, name,
                         outputs, name + ".h." + step);
      if (t == s.steps)
        continue;
      comparison.compare("energy_" + step + "_vode" + vode, Quantity::Energy,
                         name, outputs, name + ".energy." + step);
      if (v + 1 < s.layers())
        comparison.compare("gh_" + step + "_" + vode, Quantity::Gradient, name,
                           outputs, name + ".grad." + step);
    }
    Numbers total = totalEnergy(s, outputs, t);
    comparison.compare(t == s.steps ? "energy_final" : "energy_" + step,
                       Quantity::Energy, "the sum of the energies", &total);
  }
  comparison.compare("energy_final", Quantity::Energy, "energy", outputs,
                     "energy");
  comparison.compare("u_out", Quantity::State, "prediction", outputs,
                     "prediction");
  for (int64_t i = 0; i < s.parameters(); ++i) {
    std::string index = std::to_string(i), name = s.parameter(i);
    // The program's gradient is the batch's mean times 1/beta.
    comparison.compare("gw_sum_" + index, Quantity::WeightGradient, name,
                       outputs, name + ".grad.0", s.batch * s.beta);
    Numbers after = provider.getStorage(name);
    comparison.compare("w_after_" + index, Quantity::Weight, name, &after);
  }
  // Everything but x, y and the weights before the step.
  EXPECT_EQ(comparison.compared - 1,
            static_cast<int>(file.arrays.size()) - 2 - s.parameters());
}

/// The numbers of a run: "energy_<k>" and "w<k>_<i>", as in a golden file.
/// Starts from the golden weights, each of which is moved by four units in the
/// last place when `disturbed`, about what a sum of hundreds of products in
/// another order does.
Arrays trainRun(const GoldenFile &file, Provider &provider, int64_t batches,
                bool disturbed) {
  const Setting &s = file.setting;
  provider.reset();
  for (int64_t i = 0; i < s.parameters(); ++i) {
    Numbers weights = file.arrays.at("w0_" + std::to_string(i));
    if (disturbed)
      for (size_t k = 0; k < weights.data.size(); ++k)
        weights.data[k] *= 1 + (k % 3 ? 0x1p-50 : -0x1p-50);
    provider.setStorage(s.parameter(i), weights);
  }
  provider.setTotalSteps(
      static_cast<double>(s.batches * (s.algorithm == "ipc" ? s.steps : 1)));
  auto rows = [&](const char *name, int64_t batch) {
    const Numbers &all = file.arrays.at(name);
    int64_t width = all.dims.at(1), size = s.batch * width;
    auto begin = all.data.begin() + batch * size;
    return Numbers{{s.batch, width}, {begin, begin + size}};
  };
  Arrays numbers;
  for (int64_t batch = 0; batch < batches; ++batch) {
    Arrays outputs = provider.train(
        s.batch, {{"image", rows("x", batch)}, {"label", rows("y", batch)}});
    if (auto it = outputs.find("energy"); it != outputs.end())
      numbers["energy_" + std::to_string(batch)] = it->second;
    for (int64_t i = 0; i < s.parameters(); ++i)
      numbers["w" + std::to_string(batch + 1) + "_" + std::to_string(i)] =
          provider.getStorage(s.parameter(i));
  }
  return numbers;
}

/// Consecutive batches.
///
/// With iPC the error reaches the first layer as differences of nearly equal
/// numbers, and Adam divides by their size: weights of neurons with small
/// gradients depend on the last bits of everything before. So an f64 weight may
/// also be as far off as a change of the initial weights in their last bits
/// moves the weights of the same neuron, a few times over: less than 1e-6 of
/// the largest weight in the neurons that it concerns.
void compareRun(const GoldenFile &file, Provider &provider,
                const Policy &policy) {
  const Setting &s = file.setting;
  Comparison comparison(file, policy);
  int64_t batches = std::min(s.batches, policy.mostBatches);
  Arrays found = trainRun(file, provider, batches, /*disturbed=*/false);
  Arrays disturbed;
  if (s.algorithm == "ipc" && !policy.single)
    disturbed = trainRun(file, provider, batches, /*disturbed=*/true);
  for (int64_t batch = 0; batch < batches; ++batch) {
    std::string energy = "energy_" + std::to_string(batch);
    comparison.compare(energy, Quantity::Energy, "energy of the run", found,
                       energy);
    for (int64_t i = 0; i < s.parameters(); ++i) {
      std::string name =
          "w" + std::to_string(batch + 1) + "_" + std::to_string(i);
      if (auto it = disturbed.find(name); it != disturbed.end())
        forgive(file.arrays.at(name), it->second, found[name]);
      comparison.compare(name, Quantity::Weight, s.parameter(i), found, name);
    }
  }
  // Everything but x, y, the first weights, and what belongs to later batches.
  EXPECT_EQ(comparison.compared,
            static_cast<int>(file.arrays.size()) - 2 - s.parameters() -
                (s.batches - batches) * (1 + s.parameters()));
}

} // namespace

void test::compareWithGolden(const GoldenFile &file, Provider &provider,
                             const Policy &policy) {
  if (file.setting.batches)
    compareRun(file, provider, policy);
  else
    compareStep(file, provider, policy);
}
