"""Measures how busy the machine is, under the names that MLflow's page of system metrics expects."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import cached_property
from typing import Any

from gan_experiments.tracking.mlflow.private_formats import SYSTEM_METRICS

INTERVAL = 10.0
"""Seconds between measurements, as in MLflow's own monitor."""
_SHORTEST = 1.0
"""Seconds over which a load is measured at least."""
_MEGABYTE = 1e6


class SystemMonitor(threading.Thread):
    """Measures at once, every ten seconds, and whenever it is asked to.

    Args:
        report: Called in this thread with each measurement, by metric name.
    """

    def __init__(self, report: Callable[[dict[str, float]], None]) -> None:
        super().__init__(name="system-metrics", daemon=True)
        self._report = report
        self._stop_asked = threading.Event()
        self._lock = threading.Lock()
        self._last: dict[str, float] = {}
        self._measured = 0.0

    def run(self) -> None:
        """Measure until asked to stop."""
        with self._lock:
            _ = self._baseline
        pause = _SHORTEST
        while not self._stop_asked.wait(pause):
            self._report(self.measure())
            pause = INTERVAL

    def measure(self) -> dict[str, float]:
        """Return a measurement of now, or of less than a second ago: a load is one over some time."""
        import psutil

        with self._lock:
            gpus, network = self._baseline
            if self._last and time.monotonic() - self._measured < _SHORTEST:
                return self._last
            memory, disk, now = psutil.virtual_memory(), psutil.disk_usage("/"), psutil.net_io_counters()
            values = {
                "cpu_utilization_percentage": psutil.cpu_percent(),
                "system_memory_usage_megabytes": memory.used / _MEGABYTE,
                "system_memory_usage_percentage": memory.percent,
                "disk_usage_megabytes": disk.used / _MEGABYTE,
                "disk_usage_percentage": disk.percent,
                "disk_available_megabytes": disk.free / _MEGABYTE,
                "network_receive_megabytes": (now.bytes_recv - network.bytes_recv) / _MEGABYTE,
                "network_transmit_megabytes": (now.bytes_sent - network.bytes_sent) / _MEGABYTE,
            }
            for index, gpu in enumerate(gpus):
                values |= {f"gpu_{index}_{name}": value for name, value in _measure_gpu(gpu).items()}
            self._measured = time.monotonic()
            self._last = {f"{SYSTEM_METRICS}{name}": round(value, 1) for name, value in values.items()}
            return self._last

    @cached_property
    def _baseline(self) -> tuple[list[object], Any]:
        """This machine's GPUs, and what had gone over the network before; loads are measured from here on."""
        import psutil

        psutil.cpu_percent()  # the first answer is the start of the interval, not a measurement
        return _gpus(), psutil.net_io_counters()

    def stop(self) -> None:
        """Measure no more."""
        self._stop_asked.set()
        self.join()


def _gpus() -> list[object]:
    """Return NVIDIA's handles of this machine's GPUs; none where there is no driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
        return [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError:
        return []


def _measure_gpu(gpu: object) -> dict[str, float]:
    """Measure what this GPU reports; some report no power, and a slice of one no utilisation."""
    import pynvml

    values: dict[str, float] = {}
    try:
        memory = pynvml.nvmlDeviceGetMemoryInfo(gpu)
        values["memory_usage_megabytes"] = float(memory.used) / _MEGABYTE
        values["memory_usage_percentage"] = 100.0 * float(memory.used) / float(memory.total)
        values["utilization_percentage"] = float(pynvml.nvmlDeviceGetUtilizationRates(gpu).gpu)
        watts = pynvml.nvmlDeviceGetPowerUsage(gpu) / 1000
        values["power_usage_watts"] = watts
        values["power_usage_percentage"] = 100_000 * watts / pynvml.nvmlDeviceGetEnforcedPowerLimit(gpu)
    except pynvml.NVMLError:
        pass
    return values
