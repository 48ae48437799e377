"""A run folder: what is written where, atomically, and how it is read again."""

from lptem_tracker.run.by_particle import TracksByParticle
from lptem_tracker.run.chunks import Chunk, ChunkStore
from lptem_tracker.run.files import (
    atomically,
    jsonable,
    write_csv,
    write_json,
    write_parquet,
    write_table,
    write_text,
    writing,
)
from lptem_tracker.run.folder import Run, open_run, read_blocks, read_csv_blocks, read_rejected, read_table
from lptem_tracker.run.growing import GrowingTable
from lptem_tracker.run.provenance import environment
from lptem_tracker.run.writer import RESULT_FILES, WORK, RunWriter

__all__ = [
    "RESULT_FILES",
    "WORK",
    "Chunk",
    "ChunkStore",
    "GrowingTable",
    "Run",
    "RunWriter",
    "TracksByParticle",
    "atomically",
    "environment",
    "jsonable",
    "open_run",
    "read_blocks",
    "read_csv_blocks",
    "read_rejected",
    "read_table",
    "write_csv",
    "write_json",
    "write_parquet",
    "write_table",
    "write_text",
    "writing",
]
