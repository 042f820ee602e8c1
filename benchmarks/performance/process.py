"""Processes of a benchmark: their environment, their processors, a dialogue."""

from __future__ import annotations

import ctypes
import json
import os
import pathlib
import select
import signal
import subprocess
import time

from cases import cpus


class Failed(Exception):
    """A contender cannot do what was asked; the message says why."""


def environment(threads: int, **more: str) -> dict[str, str]:
    """Everybody's thread settings; nobody's leftover tuning of OpenBLAS."""
    count = str(threads)
    result = {key: value for key, value in os.environ.items()
              if key not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE",
                             "XLA_FLAGS", "OMP_PROC_BIND", "OMP_WAIT_POLICY")}
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS",
                 "NUMEXPR_NUM_THREADS", "NPROC"):
        result[name] = count
    result["JAX_PLATFORMS"] = "cpu"
    # GNU OpenMP waits busily for milliseconds by default. Where something else
    # has a core meanwhile, each barrier then costs a time slice: wait for about a
    # tenth of a millisecond, longer than any barrier takes on idle cores.
    result["GOMP_SPINCOUNT"] = "4000"
    if threads == 1:
        result["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    return result | more


PR_SET_PDEATHSIG = 1


def pin(threads: int):
    """For preexec_fn: the first processors, the same for all contenders.

    The child ends with its parent, as one that stands still would not.
    """
    chosen, libc = cpus()[:threads], ctypes.CDLL(None)

    def prepare() -> None:
        os.sched_setaffinity(0, chosen)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    return prepare


def run(command: list, threads: int | None = None, *, messages: bool = False,
        **options) -> str:
    """Runs a command to its end and returns what it printed, or its messages."""
    if threads is not None:
        options |= {"env": environment(threads), "preexec_fn": pin(threads)}
    done = subprocess.run([str(part) for part in command], capture_output=True,
                          text=True, **options)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise Failed(f"{pathlib.Path(str(command[0])).name} failed with "
                     f"{done.returncode}: {' '.join(lines[-3:])}")
    return done.stderr if messages else done.stdout


def run_measured(command: list, threads: int) -> tuple[float, int]:
    """Wall seconds and largest resident memory of a command, in bytes."""
    start = time.perf_counter()
    child = subprocess.Popen([str(part) for part in command],
                             stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL,
                             env=environment(threads), preexec_fn=pin(threads))
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise Failed(f"{command[0]} failed with {child.returncode}")
    return time.perf_counter() - start, usage.ru_maxrss * 1024


class Dialogue:
    """A process that answers a line of JSON to each line.

    Between questions it is stopped, so that no thread of it waits busily while
    another contender is measured.
    """

    def __init__(self, command: list, threads: int, log: pathlib.Path,
                 timeout: float, **more: str):
        self.log, self.timeout = log, timeout
        self.name = log.stem
        self.started = time.perf_counter()
        with log.open("w") as errors:
            self.process = subprocess.Popen(
                [str(part) for part in command], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=errors, text=True, bufsize=1,
                env=environment(threads, **more), preexec_fn=pin(threads),
                start_new_session=True)
        hello = self._answer()
        if "unsupported" in hello:
            self.close()
            raise Failed(hello["unsupported"])
        self.versions: str = hello["ready"]
        self._signal(signal.SIGSTOP)

    def ask(self, question: str) -> dict:
        self._signal(signal.SIGCONT)
        try:
            self.process.stdin.write(question + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        answer = self._answer()
        self._signal(signal.SIGSTOP)
        return answer

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def _signal(self, number: signal.Signals) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)

    def _answer(self) -> dict:
        """The next line of JSON; libraries may print other things."""
        limit = time.monotonic() + self.timeout
        while True:
            left = limit - time.monotonic()
            if not select.select([self.process.stdout], [], [], max(0, left))[0]:
                self.close()
                raise Failed(f"no answer within {self.timeout:.0f} s")
            line = self.process.stdout.readline()
            if not line:
                self.close()
                lines = self.log.read_text().strip().splitlines()
                raise Failed(f"ended: {lines[-1] if lines else 'no message'}")
            if line.startswith("{"):
                return json.loads(line)
