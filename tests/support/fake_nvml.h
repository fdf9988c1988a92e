/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GPUs that don't exist, behind a libnvidia-ml.so.1 of their own (fake_nvml.c), for the daemon and its tests. They sign their
 * reports with keys of the laboratory, so that all that is made of them is appraised like any other evidence, under the laboratory's roots.
 *
 * To give a program such GPUs:
 *
 *  - a folder with GPUs, from fake_gpus_write: for GPU n (from 0) its chain gpu-n.pem, its key gpu-n.key, and gpu-n.report, a report
 *    without its signature, which is given out with the nonce and the counters of the hour;
 *  - beside each other: a symbolic link libnvidia-ml.so.1 to fake_nvml.so, and a text fake_nvml.conf whose first line is that
 *    folder's absolute path (processes of the daemon have no environment to take it from);
 *  - the program has to load that one. A test that is linked with --wrap=dlopen says so itself; a program that is linked with dep_fake_dlopen
 *    (fake_dlopen.c) takes the link beside its own executable, and finds no driver where there is none. So hard-link or copy the program
 *    into a folder of the test's own.
 *
 * The folder's file `state` is read at each call, so that it can change under a running program; replace it by renaming
 * (fake_gpus_state does). Without it, or with an empty one, all is well. One line each; an unknown one ends the program:
 *
 *   gpus N...             these GPUs, in this order; none: none. (Else all that the folder has.)
 *   lost N                GPU N has fallen off the bus
 *   resets K              the GPUs were reset K times: they no longer take work, and their reports count it (MSRSCNT)
 *   cc off|absent         confidential computing is off; the driver knows nothing of it
 *   multi K               multiGpuMode; 1 is protected PCIe, and has single GPUs' feature off
 *   devtools on
 *   environment K         2: production
 *   arch K                nvmlDeviceGetArchitecture of all; 9: Hopper
 *   error FUNCTION CODE   that function of NVML answers so
 *   hold FUNCTION         it doesn't answer while this line is there; it makes a file `held` first
 *   report-size K         what the driver says of its arrays; the bytes are as ever
 *   chain-size K
 *   chain none|garbage|long
 *   stale                 reports over the nonce of the call before
 *   other-nonce           reports over another nonce
 *
 * The file `ready` is the GPUs' memory of whether they take work; it outlives processes, as theirs does.
 */
#ifndef CLO_TESTS_FAKE_NVML_H
#define CLO_TESTS_FAKE_NVML_H

#include "lab/machine.h"

/* The scene's GPUs as they are, and from now on with the answers of scene->collateral. The folder exists. */
CLO_MUST_USE int fake_gpus_write(const struct synthetic *y, const struct synthetic_scene *s,
                                 const char *folder);
/* Lines, each with its end; "": all is well. */
CLO_MUST_USE int fake_gpus_state(const char *folder, const char *lines);
/* In `folder`: the link to this library, and the file that names the GPUs' folder. */
CLO_MUST_USE int fake_gpus_library(const char *folder, const char *library, const char *gpus);

#endif
