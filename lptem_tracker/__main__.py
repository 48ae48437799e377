"""``python -m lptem_tracker`` is the same as ``lptem-tracker``."""

from lptem_tracker.cli import main

main()
