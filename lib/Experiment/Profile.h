//===- Profile.h - Time of stages and kernels, shown ------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PCX_LIB_EXPERIMENT_PROFILE_H
#define PCX_LIB_EXPERIMENT_PROFILE_H

#include "pcx/Experiment/Commands.h"
#include "pcx/Experiment/Machine.h"

namespace pcx::experiment {

/// Work of a kernel in calls at a batch size.
struct Work {
  double flops = 0, bytes = 0;
};
Work workOf(const pcx_kernel_info_t &kernel, int64_t batch);

/// Work of a call of the program that the variant is of, every kernel as often
/// as it runs. Nothing where only the run knows how often that is, or where an
/// older compiler did not say.
std::optional<Work> workOfCall(const pcx_variant_t &variant, int64_t batch);
std::optional<Work> workOfCall(const pcx_device_variant_t &variant,
                               int64_t batch);

/// Names of launches: their kernels', with their numbers where several launches
/// have the same kernel on other arrays. Behind them that of what makes
/// batches.
std::vector<std::string> launchNames(const pcx_device_variant_t &variant);

/// Fails if the files of `options` cannot be made.
Status checkProfile(const ProfileOptions &options);

/// Begins to measure what the session runs, if `options` ask for it.
Status startProfile(pcx_session_t *session, const ProfileOptions &options);

/// Writes what was measured since: the table to `console.err`, the trace to its
/// file.
Status finishProfile(pcx_session_t *session, const Module &module,
                     const ProfileOptions &options, const Console &console);

/// The table, with every time beside what the machine's speed allows.
std::string formatProfile(const pcx_artifact_t &artifact,
                          const pcx_profile_t &profile,
                          const std::vector<const pcx_variant_t *> &variants,
                          const MachineSpeed &speed, uint64_t l2Bytes);

/// The table of a run on a device: the launches of the plans that its programs
/// follow, the most expensive first.
std::string
formatDeviceProfile(const pcx_artifact_t &artifact,
                    const pcx_profile_t &profile,
                    const std::vector<const pcx_device_variant_t *> &plans,
                    const std::string &device);

/// Trace Event Format, as chrome://tracing and Perfetto read it: a complete
/// event ("ph": "X") for each call, stage, task and kernel, a thread a worker,
/// times in microseconds. Without `variants` the run was on a device, and its
/// stages are the launches of `plans`.
std::string formatTrace(const pcx_artifact_t &artifact,
                        const pcx_profile_t &profile,
                        const std::vector<const pcx_variant_t *> &variants,
                        const std::vector<const pcx_device_variant_t *> &plans);

} // namespace pcx::experiment

#endif // PCX_LIB_EXPERIMENT_PROFILE_H
