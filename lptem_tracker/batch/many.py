"""Many movies on the workers of a Dask cluster: own processes here, or machines that exist elsewhere."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd

from lptem_tracker.analysis.pool import Part, differences, pool
from lptem_tracker.batch.plan import Item
from lptem_tracker.errors import InputError, LptemError, MissingExtraError
from lptem_tracker.job import CHUNK_FRAMES, Job, open_for
from lptem_tracker.pipeline import analyze, detect_part
from lptem_tracker.progress import Silent
from lptem_tracker.run import WORK, Run, RunWriter, open_run, write_csv, write_json
from lptem_tracker.settings import Settings

PART_FRAMES = 16 * CHUNK_FRAMES
RETRIES = 2
_POLL_S, _KEEP_S = 0.2, 10.0
_LOST = "its worker was lost"
_UNDRAWN = ".undrawn"
"""Stands in a run folder whose tables are whole and whose drawings are not."""
Finish = Callable[[Run, Settings], None]


@dataclass(frozen=True)
class Outcome:
    """How one movie of a batch fared.

    Attributes
    ----------
    source, name, sample : str
        As in `Item`.
    state : {'waiting', 'done', 'present', 'failed'}
        `present` was done by an earlier call.
    reason : str
        Why it failed.
    seconds : float
        Time from the start of the batch to its end.
    """

    source: str
    name: str
    sample: str
    state: str = "waiting"
    reason: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class _Work:
    """What a worker needs to know; travels by pickle."""

    item: Item
    output: Path
    settings: Settings
    force: bool
    finish: Finish | None

    @property
    def folder(self) -> Path:
        return self.output / self.item.name

    @property
    def is_analysed(self) -> bool:
        return (self.folder / "run.json").exists() and not (self.folder / WORK).exists()

    @property
    def is_done(self) -> bool:
        return self.is_analysed and not (self.folder / _UNDRAWN).exists()

    def forget(self) -> None:
        """Remove what tells of an earlier call, so that the movie is analysed again."""
        shutil.rmtree(self.folder / WORK, ignore_errors=True)
        (self.folder / "run.json").unlink(missing_ok=True)


def run_batch(
    items: list[Item],
    output: Path,
    settings: Settings,
    *,
    scheduler: str | None = None,
    workers: int | None = None,
    force: bool = False,
    finish: Finish | None = None,
    told: Callable[[list[Outcome]], None] | None = None,
) -> list[Outcome]:
    """Analyse every movie into a run folder of its own, then sum up each sample.

    A movie longer than `PART_FRAMES` is detected in parts on several workers and linked in order by one. What
    an earlier call finished is kept; a movie that fails is listed with its reason and the others go on.

    Parameters
    ----------
    items : list of Item
    output : pathlib.Path
    settings : Settings
    scheduler : str, optional
        Address of a Dask scheduler whose workers see the same files; by default own processes on this machine.
    workers : int, optional
        Own processes; by default one a core.
    force : bool
        Analyse again what is there.
    finish : callable, optional
        Called with (run, settings) on the worker after a movie, to draw it.
    told : callable, optional
        Called with all outcomes whenever one changes, and when the summary is written.

    Returns
    -------
    list of Outcome

    Raises
    ------
    OutputError
        `output` cannot be written, or another batch is writing it.
    MissingExtraError
        dask.distributed is not installed.
    InputError
        No scheduler answers at that address.
    """
    told = told or (lambda _outcomes: None)
    begun = time.monotonic()
    outcomes = {item.name: Outcome(**asdict(item)) for item in items}
    _need_dask()
    with RunWriter(output, only=()) as lock, _cluster(scheduler, workers) as (client, keep):
        works = [_Work(item, output, settings, force, finish) for item in items]
        for work in works if force else []:
            work.forget()
        for work in works:
            if work.is_done:
                outcomes[work.item.name] = replace(outcomes[work.item.name], state="present")
        waiting = {_submit(client, work): work.item for work in works if not work.is_done}
        told(list(outcomes.values()))
        lost: list[Item] = []

        def settle(item: Item, result: str) -> None:
            seconds = round(time.monotonic() - begun, 1)
            state = "failed" if result else "done"
            outcomes[item.name] = replace(outcomes[item.name], state=state, reason=result, seconds=seconds)
            told(list(outcomes.values()))

        for future, result in _completed(list(waiting), keep):
            if result.startswith(_LOST) and len(waiting) > 1:
                lost.append(waiting[future])
            else:
                settle(waiting[future], result)
        # a movie that waits on a worker which another one brings down is no worse for it: each once more, alone
        for item in lost:
            again = _submit(client, _Work(item, output, settings, force=False, finish=finish))
            for _, result in _completed([again], keep):
                settle(item, result)
        _sum_up(list(outcomes.values()), output, settings)
        told(list(outcomes.values()))  # once more: a page may show what was summed up
        lock.finish()
    return list(outcomes.values())


def _submit(client: Any, work: _Work) -> Any:
    """Send one movie to the workers: its parts, where it is long, and then the rest."""
    if work.is_analysed:
        return client.submit(_whole, work, [], pure=False, retries=RETRIES)
    try:
        with open_for(work.item.source, work.settings) as movie:
            job = Job(movie, work.settings, Silent())
            start, stop = job.start, job.stop
    except LptemError:
        start = stop = 0  # the worker meets the same error and reports it
    parts = []
    if stop - start > PART_FRAMES:
        bounds = range(start, stop, PART_FRAMES)
        parts = [client.submit(_part, work, a, min(a + PART_FRAMES, stop), pure=False, retries=RETRIES) for a in bounds]
    return client.submit(_whole, work, parts, pure=False, retries=RETRIES)


def _part(work: _Work, first: int, stop: int) -> None:
    try:
        detect_part(work.item.source, work.folder, work.settings, first, stop)
    except LptemError:
        return  # the whole movie meets the same error and reports it


def _whole(work: _Work, _parts: list[None]) -> str:
    """Analyse one movie on a worker; returns why it failed, or nothing."""
    try:
        if work.is_analysed:
            run = open_run(work.folder)
        else:
            resume = (work.folder / WORK).is_dir()
            run = analyze(work.item.source, work.folder, settings=work.settings, force=True, resume=resume)
        if work.finish is not None:
            (work.folder / _UNDRAWN).touch()
            work.finish(run, work.settings)
            (work.folder / _UNDRAWN).unlink()
    except LptemError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - one movie's trouble must not end the batch
        return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
    return ""


def _completed(futures: list[Any], keep: Callable[[], None]) -> Iterator[tuple[Any, str]]:
    """Yield each future with its result when it has one."""
    looked = time.monotonic()
    while futures:
        ready = [future for future in futures if future.done()]
        for future in ready:
            futures.remove(future)
            error = future.exception()
            yield future, (future.result() if error is None else f"{_LOST} ({type(error).__name__})")
        if ready:
            continue
        time.sleep(_POLL_S)
        if time.monotonic() - looked > _KEEP_S:
            keep()
            looked = time.monotonic()


def _need_dask() -> None:
    """Refuse to begin without Dask, before a folder is made."""
    try:
        import_module("dask")
        import_module("distributed")
    except ImportError:
        raise MissingExtraError(
            "batch needs dask.distributed; install it in the source folder of lptem-tracker with: "
            'python -m pip install ".[batch]"'
        ) from None


@contextmanager
def _cluster(scheduler: str | None, workers: int | None) -> Iterator[tuple[Any, Callable[[], None]]]:
    """Yield a client, and what to call now and then to keep the workers up."""
    import dask
    from distributed import Client, LocalCluster

    if scheduler is not None:
        try:
            client = Client(scheduler, timeout=20)
        except (OSError, ValueError) as error:
            raise InputError(f"No Dask scheduler answers at {scheduler} ({error}); check --scheduler.") from None
        with client:
            yield client, lambda: None
        return
    options: dict[str, Any] = {
        "n_workers": workers,
        "threads_per_worker": 1,
        "host": "127.0.0.1",
        "dashboard_address": "127.0.0.1:0",
        "silence_logs": logging.CRITICAL,
    }
    # a worker that was killed has minutes to start again on a busy machine; Dask gives it up after seconds
    patient = {"distributed.deploy.lost-worker-timeout": "10 minutes"}
    with dask.config.set(patient), LocalCluster(**options) as cluster, Client(cluster) as client:
        n = len(cluster.workers)
        yield client, lambda: cluster.scale(n)


def _sum_up(outcomes: list[Outcome], output: Path, settings: Settings) -> None:
    """Write ``batch.csv``, ``particles.csv`` and ``summary.json`` over all movies that are done."""
    write_csv(output / "batch.csv", pd.DataFrame([asdict(outcome) for outcome in outcomes]))
    samples: dict[str, list[Part]] = {}
    particles = []
    for outcome in outcomes:
        if outcome.state in {"done", "present"}:
            run = open_run(output / outcome.name)
            samples.setdefault(outcome.sample, []).append(
                Part(outcome.name, run.tracks, run.particles, run.calibration)
            )
            particles.append(run.particles.assign(movie=outcome.name, sample=outcome.sample))
    if particles:
        write_csv(output / "particles.csv", pd.concat(particles, ignore_index=True))
    failed = [{"movie": o.source, "reason": o.reason} for o in outcomes if o.state == "failed"]
    write_json(
        output / "summary.json",
        {
            "samples": {name: pool(parts, settings) for name, parts in samples.items()},
            "differences": differences(samples),
            "failed": failed,
        },
    )
