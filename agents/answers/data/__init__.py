"""The words that reading questions and documents rests on, a table a file."""

from pathlib import Path

DATA = Path(__file__).parent
