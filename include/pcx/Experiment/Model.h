//===- Model.h - A loaded artifact and its sessions -------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PCX_EXPERIMENT_MODEL_H
#define PCX_EXPERIMENT_MODEL_H

#include "pcx/Data/Array.h"
#include "pcx/pcx.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace pcx::experiment {

using data::Error;
using data::Result;
using data::Status;
using data::success;

struct DestroyHandle {
  void operator()(pcx_module_t *module) const { pcx_module_destroy(module); }
  void operator()(pcx_session_t *session) const {
    pcx_session_destroy(session);
  }
  void operator()(pcx_data_t *data) const { pcx_data_destroy(data); }
};
using Module = std::unique_ptr<pcx_module_t, DestroyHandle>;
using Session = std::unique_ptr<pcx_session_t, DestroyHandle>;
using ResidentData = std::unique_ptr<pcx_data_t, DestroyHandle>;

/// The message of the runtime's last failure in this thread.
Error lastError();
/// success(), or the runtime's message.
Status check(pcx_status_t status);

Result<Module> loadModule(const std::string &path);
/// `threads` 0 means one for each CPU that the process may use; `device` is as
/// in pcx_session_options_t.
Result<Session> createSession(const Module &module, uint32_t threads,
                              const std::string &device);
/// Whether its programs run elsewhere than on the CPU.
bool isOnDevice(const pcx_session_t *session);
/// What --device calls it: without the GPU's name.
std::string deviceName(const pcx_session_t *session);

/// The program called `name` or, without a name, the only one with `role`. The
/// messages name the nearest match, or the candidates and `flag`, which chooses
/// among them.
Result<uint32_t> findProgram(const Module &module,
                             const std::optional<std::string> &name,
                             pcx_role_t role, const char *flag);
/// "train", "evaluate", "sample" or "other".
const char *roleName(uint32_t role);

/// Elements of a port: of one sample if it is per sample.
int64_t portElements(const pcx_port_t &port);
int64_t storageElements(const pcx_storage_t &storage);
/// "28x28", "scalar".
std::string portShape(const pcx_port_t &port);
std::string storageShape(const pcx_storage_t &storage);

data::DType toDType(uint32_t dtype);
/// The runtime's number of an array's type, or nothing for one that the
/// runtime does not know (i8, i16, bool, text).
std::optional<uint32_t> fromDType(data::DType dtype);

/// Applies `name=value` assignments to the session's hyper-parameters. Errors:
/// malformed, unknown name (with the nearest match), value out of bounds.
Status setHypers(pcx_session_t *session,
                 const std::vector<std::string> &assignments);

/// The storage entry as an array.
Result<data::Array> readStorage(const pcx_session_t *session,
                                const pcx_storage_t &storage);

/// What loadArrays() takes from an .npz file.
enum class LoadScope {
  Parameters, ///< parameters and buffers; all must be there
  Everything  ///< those, and whatever optimiser and state arrays it has
};

/// Loads parameters and buffers from a .safetensors file, or from an .npz file
/// with arrays of their names or of their names behind "params/" (what
/// `pcx-run exec` writes). f32 and f64 convert into each other. Changes nothing
/// on an error.
Status loadArrays(pcx_session_t *session, const Module &module,
                  const std::string &path, LoadScope scope);

} // namespace pcx::experiment

#endif // PCX_EXPERIMENT_MODEL_H
