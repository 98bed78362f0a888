"""`python -m snellen` and the `snellen` command."""

from __future__ import annotations

from snellen.cli import main

if __name__ == "__main__":
    main()
