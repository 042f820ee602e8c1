//===- step.cpp - A training step on a BLAS -------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a good programmer gets from a library: the training step of a network of
// linear layers in C++, products by OpenBLAS (-DUSE_OPENBLAS), MKL (-DUSE_MKL)
// or oneDNN (-DUSE_ONEDNN), everything else in fused loops that the compiler
// vectorises. Each thread takes a share of the samples through all inference
// steps with products of its own; threads meet at the weight update alone.
//
// With eliminate=1 it leaves out what pcc leaves out: feedback to states that
// the error has not reached, predictions whose parent has not moved, weight
// gradients that are zero. With eliminate=0 every inference step computes all.
//
//   step KEY=VALUE ...
//
// reads lines and answers a line of JSON to each, as benchmarks/peers/worker.py
// does: "run N", "check FILE", "memory".
//
//===----------------------------------------------------------------------===//

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <new>
#include <omp.h>
#include <sstream>
#include <string>
#include <sys/resource.h>
#include <vector>

#if defined(USE_OPENBLAS)
#include <cblas.h>
#if defined(OPENBLAS_OF_SCIPY) // The package scipy-openblas32 has a prefix.
#define cblas_sgemm scipy_cblas_sgemm
#define cblas_sgemv scipy_cblas_sgemv
#define openblas_get_config scipy_openblas_get_config
#define openblas_get_corename scipy_openblas_get_corename
#define openblas_set_num_threads scipy_openblas_set_num_threads
#endif
#elif defined(USE_MKL)
#include <mkl_cblas.h>
#include <mkl_service.h>
#elif defined(USE_ONEDNN)
#include <oneapi/dnnl/dnnl.h>
#else
#error "define USE_OPENBLAS, USE_MKL or USE_ONEDNN"
#endif

namespace {

enum class Transpose { No, Yes };

/// C = op(A) op(B), row-major, C of rows x columns, `inner` products an
/// element.
void multiply(Transpose transposeA, Transpose transposeB, int64_t rows,
              int64_t columns, int64_t inner, const float *a, int64_t strideA,
              const float *b, int64_t strideB, float *c) {
#if !defined(USE_ONEDNN)
  if (rows == 1 && transposeA == Transpose::No) {
    // A vector: y = op(B)^T a.
    bool transposed = transposeB == Transpose::Yes;
    cblas_sgemv(CblasRowMajor, transposed ? CblasNoTrans : CblasTrans,
                transposed ? columns : inner, transposed ? inner : columns,
                1.0f, b, strideB, a, 1, 0.0f, c, 1);
    return;
  }
  cblas_sgemm(CblasRowMajor,
              transposeA == Transpose::Yes ? CblasTrans : CblasNoTrans,
              transposeB == Transpose::Yes ? CblasTrans : CblasNoTrans, rows,
              columns, inner, 1.0f, a, strideA, b, strideB, 0.0f, c, columns);
#else
  dnnl_sgemm(transposeA == Transpose::Yes ? 'T' : 'N',
             transposeB == Transpose::Yes ? 'T' : 'N', rows, columns, inner,
             1.0f, a, strideA, b, strideB, 0.0f, c, columns);
#endif
}

std::string libraryVersion() {
#if defined(USE_OPENBLAS)
  return std::string(openblas_get_config()) + ", kernels for " +
         openblas_get_corename();
#elif defined(USE_MKL)
  MKLVersion version;
  mkl_get_version(&version);
  std::string kernels = version.Processor;
  kernels = kernels.substr(0, kernels.find(" with support"));
  return "MKL " + std::to_string(version.MajorVersion) + "." +
         std::to_string(version.MinorVersion) + ", kernels for " + kernels;
#else
  const dnnl_version_t *version = dnnl_version();
  return "oneDNN " + std::to_string(version->major) + "." +
         std::to_string(version->minor) + "." + std::to_string(version->patch);
#endif
}

/// Floats on a cache line's boundary, zero at first.
class Buffer {
public:
  explicit Buffer(int64_t size = 0)
      : values(size ? static_cast<float *>(std::aligned_alloc(
                          64, (size * sizeof(float) + 63) / 64 * 64))
                    : nullptr) {
    if (size)
      std::memset(values.get(), 0, size * sizeof(float));
  }
  operator float *() { return values.get(); }

private:
  struct Free {
    void operator()(float *pointer) const { std::free(pointer); }
  };
  std::unique_ptr<float, Free> values;
};

enum class Activation { Identity, ReLU, LeakyReLU };

template <Activation kind>
inline float activate(float a) {
  if (kind == Activation::ReLU)
    return a > 0 ? a : 0.0f;
  if (kind == Activation::LeakyReLU)
    return a >= 0 ? a : 0.01f * a;
  return a;
}

template <Activation kind>
inline float slope(float a) {
  if (kind == Activation::ReLU)
    return a > 0 ? 1.0f : 0.0f;
  if (kind == Activation::LeakyReLU)
    return a >= 0 ? 1.0f : 0.01f;
  return 1.0f;
}

/// Calls `function` with the activation as a constant of the type system.
template <typename Function>
inline void dispatch(Activation kind, Function function) {
  switch (kind) {
  case Activation::Identity:
    return function(std::integral_constant<Activation, Activation::Identity>());
  case Activation::ReLU:
    return function(std::integral_constant<Activation, Activation::ReLU>());
  case Activation::LeakyReLU:
    return function(
        std::integral_constant<Activation, Activation::LeakyReLU>());
  }
}

struct Settings {
  std::vector<int64_t> dims;
  std::string algorithm;
  int64_t batch = 0, steps = 0;
  int threads = 1;
  bool zero = false, eliminate = true;
  Activation activation = Activation::Identity;
  Activation outputActivation = Activation::Identity;
  float stateRate = 0, momentum = 0, rate = 0, decay = 0;

  int layers() const { return static_cast<int>(dims.size()) - 1; }
  Activation of(int layer) const {
    return layer == layers() ? outputActivation : activation;
  }
};

/// What one thread needs for its samples, indexed by layer from 1.
struct Share {
  int64_t first = 0, samples = 0;
  std::vector<Buffer> h, u, slopes, e, d, trace; // samples x width
  std::vector<Buffer> gradients, biasGradients;
  Buffer product;
  double energy = 0;
};

class Trainer {
public:
  Trainer(const Settings &settings, const std::string &parameters);

  /// One training step on the batch at `image` and `label`.
  void step(const float *image, const float *label);

  double energy() const { return lastEnergy; }
  void save(const std::string &path);

private:
  void runThread(Share &share, const float *image, const float *label);
  void predictiveCoding(Share &share, const float *x, const float *y);
  void incremental(Share &share, const float *x, const float *y);
  void backpropagation(Share &share, const float *x, const float *y);

  void start(Share &share, const float *x);
  void product(Share &share, int layer, const float *input);
  template <typename Use>
  void predictInto(Share &share, int layer, const float *input, Use use);
  void errors(Share &share, int layer, const float *input, const float *state);
  void errorsOfKnown(Share &share, int layer, const float *state);
  void moveStates(Share &share, int lowest, bool fresh);
  void weightGradients(Share &share, const float *x, int lowest);
  void sumEnergy(Share &share, int lowest);
  void update(int lowest);

  const float *below(Share &share, const float *x, int layer) {
    return layer == 1 ? x : static_cast<float *>(share.h[layer - 1]);
  }

  Settings s;
  int last;
  /// Weights as inputs x outputs, so that a prediction is h W.
  std::vector<Buffer> weights, biases, firstW, secondW, firstB, secondB;
  std::vector<Share> shares;
  int64_t count = 0;
  float correct1 = 0, correct2 = 0;
  double lastEnergy = 0;
};

Trainer::Trainer(const Settings &settings, const std::string &parameters)
    : s(settings), last(settings.layers()) {
  std::ifstream file(parameters, std::ios::binary);
  std::vector<Buffer> *all[] = {&weights, &firstW, &secondW};
  std::vector<Buffer> *allB[] = {&biases, &firstB, &secondB};
  for (auto *list : all)
    list->emplace_back();
  for (auto *list : allB)
    list->emplace_back();
  for (int l = 1; l <= last; ++l) {
    int64_t in = s.dims[l - 1], out = s.dims[l];
    for (auto *list : all)
      list->emplace_back(in * out);
    for (auto *list : allB)
      list->emplace_back(out);
    std::vector<float> rows(in * out);
    file.read(reinterpret_cast<char *>(rows.data()), in * out * sizeof(float));
    for (int64_t o = 0; o < out; ++o)
      for (int64_t i = 0; i < in; ++i)
        weights[l][i * out + o] = rows[o * in + i];
    file.read(reinterpret_cast<char *>(static_cast<float *>(biases[l])),
              out * sizeof(float));
  }
  if (!file)
    throw std::runtime_error("cannot read " + parameters);
  int threads = static_cast<int>(std::min<int64_t>(s.threads, s.batch));
  for (int t = 0; t < s.threads; ++t) {
    Share share;
    share.first = t < threads ? s.batch * t / threads : s.batch;
    share.samples = t < threads ? s.batch * (t + 1) / threads - share.first : 0;
    int64_t widest = *std::max_element(s.dims.begin() + 1, s.dims.end());
    share.product = Buffer(share.samples * widest);
    for (auto *list : {&share.h, &share.u, &share.slopes, &share.e, &share.d,
                       &share.trace, &share.gradients, &share.biasGradients})
      list->emplace_back();
    for (int l = 1; l <= last; ++l) {
      for (auto *list : {&share.h, &share.u, &share.slopes, &share.e, &share.d,
                         &share.trace})
        list->emplace_back(share.samples * s.dims[l]);
      share.gradients.emplace_back(s.dims[l - 1] * s.dims[l]);
      share.biasGradients.emplace_back(s.dims[l]);
    }
    shares.push_back(std::move(share));
  }
}

void Trainer::product(Share &share, int layer, const float *input) {
  multiply(Transpose::No, Transpose::No, share.samples, s.dims[layer],
           s.dims[layer - 1], input, s.dims[layer - 1], weights[layer],
           s.dims[layer], share.product);
}

/// The pre-activations of a layer, each handed to `use(index, u, f')`.
template <typename Use>
void Trainer::predictInto(Share &share, int layer, const float *input,
                          Use use) {
  product(share, layer, input);
  int64_t width = s.dims[layer];
  const float *sums = share.product, *bias = biases[layer];
  dispatch(s.of(layer), [&](auto kind) {
    for (int64_t row = 0; row < share.samples; ++row) {
#pragma omp simd
      for (int64_t i = 0; i < width; ++i) {
        float a = sums[row * width + i] + bias[i];
        use(row * width + i, activate<kind.value>(a), slope<kind.value>(a));
      }
    }
  });
}

/// First states and predictions; what `eliminate` leaves out is a product with
/// zeros.
void Trainer::start(Share &share, const float *x) {
  for (int l = 1; l <= last; ++l) {
    float *h = share.h[l], *u = share.u[l], *slopes = share.slopes[l];
    if (!s.zero) {
      predictInto(share, l, below(share, x, l),
                  [=](int64_t i, float prediction, float derivative) {
                    h[i] = u[i] = prediction;
                    slopes[i] = derivative;
                  });
      continue;
    }
    std::memset(h, 0, share.samples * s.dims[l] * sizeof(float));
    auto keep = [=](int64_t i, float prediction, float derivative) {
      u[i] = prediction;
      slopes[i] = derivative;
    };
    if (l == 1 || !s.eliminate) {
      predictInto(share, l, below(share, x, l), keep);
      continue;
    }
    const float *bias = biases[l];
    dispatch(s.of(l), [&](auto kind) {
      for (int64_t row = 0; row < share.samples; ++row)
#pragma omp simd
        for (int64_t i = 0; i < s.dims[l]; ++i)
          keep(row * s.dims[l] + i, activate<kind.value>(bias[i]),
               slope<kind.value>(bias[i]));
    });
  }
}

/// e = h - u and d = -e f' of a layer whose prediction is new.
void Trainer::errors(Share &share, int layer, const float *input,
                     const float *state) {
  float *e = share.e[layer], *d = share.d[layer];
  predictInto(share, layer, input,
              [=](int64_t i, float prediction, float derivative) {
                float error = state[i] - prediction;
                e[i] = error;
                d[i] = -error * derivative;
              });
}

/// The same from the prediction of start().
void Trainer::errorsOfKnown(Share &share, int layer, const float *state) {
  float *e = share.e[layer], *d = share.d[layer];
  const float *u = share.u[layer], *slopes = share.slopes[layer];
#pragma omp simd
  for (int64_t i = 0; i < share.samples * s.dims[layer]; ++i) {
    float error = state[i] - u[i];
    e[i] = error;
    d[i] = -error * slopes[i];
  }
}

/// All states from `lowest` on move at once: their gradients read d and e,
/// which stay. Where `fresh`, the error of `lowest` and its momentum are zero.
void Trainer::moveStates(Share &share, int lowest, bool fresh) {
  float rate = s.stateRate, momentum = s.momentum;
  for (int l = lowest; l < last; ++l) {
    int64_t width = s.dims[l], above = s.dims[l + 1];
    multiply(Transpose::No, Transpose::Yes, share.samples, width, above,
             share.d[l + 1], above, weights[l + 1], above, share.product);
    const float *feedback = share.product, *e = share.e[l];
    float *h = share.h[l], *trace = share.trace[l];
    int64_t size = share.samples * width;
    if (fresh && l == lowest) {
#pragma omp simd
      for (int64_t i = 0; i < size; ++i) {
        trace[i] = feedback[i];
        h[i] -= rate * feedback[i];
      }
    } else if (momentum == 0) {
#pragma omp simd
      for (int64_t i = 0; i < size; ++i)
        h[i] -= rate * (feedback[i] + e[i]);
    } else {
#pragma omp simd
      for (int64_t i = 0; i < size; ++i) {
        float moved = feedback[i] + e[i] + momentum * trace[i];
        trace[i] = moved;
        h[i] -= rate * moved;
      }
    }
  }
}

void Trainer::weightGradients(Share &share, const float *x, int lowest) {
  for (int l = lowest; l <= last; ++l) {
    int64_t in = s.dims[l - 1], out = s.dims[l];
    if (share.samples == 0) {
      continue; // Its gradients stay zero.
    }
    multiply(Transpose::Yes, Transpose::No, in, out, share.samples,
             below(share, x, l), in, share.d[l], out, share.gradients[l]);
    float *sums = share.biasGradients[l];
    const float *d = share.d[l];
    std::memset(sums, 0, out * sizeof(float));
    for (int64_t row = 0; row < share.samples; ++row)
#pragma omp simd
      for (int64_t i = 0; i < out; ++i)
        sums[i] += d[row * out + i];
  }
}

void Trainer::sumEnergy(Share &share, int lowest) {
  double total = 0;
  for (int l = lowest; l <= last; ++l) {
    const float *e = share.e[l];
    for (int64_t row = 0; row < share.samples; ++row) {
      float sum = 0;
#pragma omp simd reduction(+ : sum)
      for (int64_t i = 0; i < s.dims[l]; ++i)
        sum += e[row * s.dims[l] + i] * e[row * s.dims[l] + i];
      total += sum;
    }
  }
  share.energy = total;
}

void Trainer::predictiveCoding(Share &share, const float *x, const float *y) {
  bool travels = s.eliminate && !s.zero;
  int lowestGradient = 1;
  if (share.samples > 0) {
    start(share, x);
    for (int l = travels ? last : 1; l <= last; ++l)
      errorsOfKnown(share, l, l == last ? y : share.h[l]);
    if (!travels)
      for (int l = 1; l < last; ++l)
        std::memset(share.trace[l], 0,
                    share.samples * s.dims[l] * sizeof(float));
    for (int64_t t = 0; t < s.steps; ++t) {
      int lowest =
          travels ? std::max<int>(1, last - 1 - static_cast<int>(t)) : 1;
      moveStates(share, lowest, travels && t < last - 1);
      int firstNew = s.eliminate ? lowest + 1 : 1;
      if (firstNew > lowest)
        errorsOfKnown(share, lowest, share.h[lowest]);
      for (int l = firstNew; l <= last; ++l)
        errors(share, l, below(share, x, l), l == last ? y : share.h[l]);
    }
  }
  if (travels)
    lowestGradient = std::max<int>(1, last - static_cast<int>(s.steps));
  sumEnergy(share, lowestGradient);
  weightGradients(share, x, lowestGradient);
  update(lowestGradient);
}

void Trainer::incremental(Share &share, const float *x, const float *y) {
  start(share, x);
  for (int l = 1; l < last; ++l)
    std::memset(share.trace[l], 0, share.samples * s.dims[l] * sizeof(float));
  bool travels = s.eliminate && !s.zero;
  for (int64_t t = 0; t < s.steps; ++t) {
    bool fresh = travels && t == 0;
    for (int l = fresh ? last : 1; l <= last && share.samples; ++l) {
      const float *state = l == last ? y : share.h[l];
      if (t == 0)
        errorsOfKnown(share, l, state);
      else
        errors(share, l, below(share, x, l), state);
    }
    int lowest = fresh ? last : 1;
    weightGradients(share, x, lowest);
    sumEnergy(share, lowest);
    // The last move is never read.
    if (share.samples && (!s.eliminate || t + 1 < s.steps))
      moveStates(share, fresh ? last - 1 : 1, fresh);
    update(lowest);
  }
}

void Trainer::backpropagation(Share &share, const float *x, const float *y) {
  if (share.samples > 0) {
    start(share, x);
    float *d = share.d[last], *e = share.e[last];
    const float *u = share.u[last], *slopes = share.slopes[last];
#pragma omp simd
    for (int64_t i = 0; i < share.samples * s.dims[last]; ++i) {
      e[i] = u[i] - y[i];
      d[i] = 2 * e[i] * slopes[i];
    }
    for (int l = last - 1; l >= 1; --l) {
      int64_t above = s.dims[l + 1];
      multiply(Transpose::No, Transpose::Yes, share.samples, s.dims[l], above,
               share.d[l + 1], above, weights[l + 1], above, share.d[l]);
      float *below = share.d[l];
      const float *derivative = share.slopes[l];
#pragma omp simd
      for (int64_t i = 0; i < share.samples * s.dims[l]; ++i)
        below[i] *= derivative[i];
    }
  }
  sumEnergy(share, last);
  share.energy *= 2;
  weightGradients(share, x, 1);
  update(1);
}

/// optax's AdamW on this thread's part of every array; gradients below `lowest`
/// are zero.
void Trainer::update(int lowest) {
#pragma omp barrier
#pragma omp single
  {
    ++count;
    correct1 = 1 / (1 - std::pow(0.9f, static_cast<float>(count)));
    correct2 = 1 / (1 - std::pow(0.999f, static_cast<float>(count)));
  }
  float scale = 1.0f / static_cast<float>(s.batch);
  float keep = 1 - s.rate * s.decay, rate = s.rate * correct1;
  float inverse = correct2;
  int thread = omp_get_thread_num(), threads = s.threads;
  auto part = [&](float *w, float *m, float *v, int64_t size, auto gradient) {
    int64_t begin = size * thread / threads / 16 * 16;
    int64_t end =
        thread + 1 == threads ? size : size * (thread + 1) / threads / 16 * 16;
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) {
      float g = gradient(i) * scale;
      m[i] = 0.9f * m[i] + 0.1f * g;
      v[i] = 0.999f * v[i] + 0.001f * (g * g);
      w[i] = keep * w[i] - rate * m[i] / (std::sqrt(v[i] * inverse) + 1e-8f);
    }
  };
  auto sum = [&](float *w, float *m, float *v, int64_t size, auto of,
                 bool isZero) {
    if (isZero)
      return part(w, m, v, size, [](int64_t) { return 0.0f; });
    if (threads == 1 || shares[1].samples == 0) {
      const float *one = of(shares[0]);
      return part(w, m, v, size, [=](int64_t i) { return one[i]; });
    }
    if (threads == 2) {
      const float *one = of(shares[0]), *two = of(shares[1]);
      return part(w, m, v, size, [=](int64_t i) { return one[i] + two[i]; });
    }
    std::vector<const float *> all;
    for (Share &share : shares)
      all.push_back(of(share));
    part(w, m, v, size, [&](int64_t i) {
      float total = 0;
      for (const float *one : all)
        total += one[i];
      return total;
    });
  };
  for (int l = 1; l <= last; ++l) {
    sum(
        weights[l], firstW[l], secondW[l], s.dims[l - 1] * s.dims[l],
        [l](Share &share) -> const float * { return share.gradients[l]; },
        l < lowest);
    sum(
        biases[l], firstB[l], secondB[l], s.dims[l],
        [l](Share &share) -> const float * { return share.biasGradients[l]; },
        l < lowest);
  }
#pragma omp barrier
}

void Trainer::runThread(Share &share, const float *image, const float *label) {
  const float *x = image + share.first * s.dims[0];
  const float *y = label + share.first * s.dims[last];
  if (s.algorithm == "pc")
    predictiveCoding(share, x, y);
  else if (s.algorithm == "ipc")
    incremental(share, x, y);
  else
    backpropagation(share, x, y);
}

void Trainer::step(const float *image, const float *label) {
#pragma omp parallel num_threads(s.threads)
  runThread(shares[omp_get_thread_num()], image, label);
  double total = 0;
  for (Share &share : shares)
    total += share.energy;
  lastEnergy = 0.5 * total / static_cast<double>(s.batch);
}

/// Energy, then weights (outputs x inputs) and bias of each layer, as floats.
void Trainer::save(const std::string &path) {
  std::ofstream file(path, std::ios::binary);
  auto write = [&](const float *values, int64_t size) {
    file.write(reinterpret_cast<const char *>(values), size * sizeof(float));
  };
  float value = static_cast<float>(lastEnergy);
  write(&value, 1);
  for (int l = 1; l <= last; ++l) {
    int64_t in = s.dims[l - 1], out = s.dims[l];
    std::vector<float> rows(in * out);
    for (int64_t o = 0; o < out; ++o)
      for (int64_t i = 0; i < in; ++i)
        rows[o * in + i] = weights[l][i * out + o];
    write(rows.data(), in * out);
    write(biases[l], out);
  }
}

std::vector<float> readFloats(const std::string &path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file)
    throw std::runtime_error("cannot read " + path);
  std::vector<float> values(file.tellg() / sizeof(float));
  file.seekg(0);
  file.read(reinterpret_cast<char *>(values.data()),
            values.size() * sizeof(float));
  return values;
}

Settings readSettings(std::map<std::string, std::string> &given) {
  Settings s;
  std::istringstream dims(given.at("dims"));
  for (std::string one; std::getline(dims, one, ',');)
    s.dims.push_back(std::stol(one));
  std::map<std::string, Activation> names = {
      {"identity", Activation::Identity},
      {"relu", Activation::ReLU},
      {"leaky_relu", Activation::LeakyReLU}};
  s.activation = names.at(given.at("activation"));
  s.outputActivation = names.at(given.at("output_activation"));
  s.algorithm = given.at("algorithm");
  s.batch = std::stol(given.at("batch"));
  s.steps = std::stol(given.at("steps"));
  s.threads = std::stoi(given.at("threads"));
  s.zero = given.at("init") == "zero";
  s.eliminate = given.at("eliminate") == "1";
  s.stateRate = std::stof(given.at("h_lr"));
  s.momentum = std::stof(given.at("h_momentum"));
  s.rate = std::stof(given.at("w_lr"));
  s.decay = std::stof(given.at("weight_decay"));
  return s;
}

double now() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

} // namespace

int main(int argc, char **argv) {
  std::map<std::string, std::string> given;
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i];
    size_t equals = argument.find('=');
    given[argument.substr(0, equals)] = argument.substr(equals + 1);
  }
  Settings settings = readSettings(given);
#if defined(USE_OPENBLAS)
  openblas_set_num_threads(1);
#elif defined(USE_MKL)
  mkl_set_num_threads(1);
#endif
  Trainer trainer(settings, given.at("parameters"));
  std::vector<float> images = readFloats(given.at("images"));
  std::vector<float> labels = readFloats(given.at("labels"));
  int64_t imageSize = settings.batch * settings.dims.front();
  int64_t labelSize = settings.batch * settings.dims.back();
  int64_t batches = static_cast<int64_t>(images.size()) / imageSize;
  std::printf("{\"ready\": \"%s\"}\n", libraryVersion().c_str());
  std::fflush(stdout);

  int64_t index = 0;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string command, argument;
    words >> command >> argument;
    if (command == "run") {
      double start = now();
      for (int64_t i = std::stol(argument); i > 0; --i) {
        trainer.step(&images[index * imageSize], &labels[index * labelSize]);
        index = index + 1 < batches ? index + 1 : 0;
      }
      std::printf("{\"seconds\": %.9f}\n", now() - start);
    } else if (command == "check") {
      trainer.step(images.data(), labels.data());
      trainer.save(argument);
      std::printf("{}\n");
    } else if (command == "memory") {
      rusage usage;
      getrusage(RUSAGE_SELF, &usage);
      std::printf("{\"max_rss\": %ld}\n", usage.ru_maxrss * 1024);
    }
    std::fflush(stdout);
  }
}
