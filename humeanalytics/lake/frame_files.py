"""Frames as files that other programs open: CSV, Parquet, Excel, SPSS, Stata."""

from __future__ import annotations

import importlib
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from humeanalytics.errors import MissingExtra, UsageError
from humeanalytics.lake.frames import to_arrow, to_pandas

_EXCEL_ROWS, _EXCEL_COLUMNS, _EXCEL_CHARACTERS = 1_048_576, 16_384, 32_767
#: The longest name of a column and the longest text.
_SPSS_NAME_BYTES, _STATA_NAME_BYTES = 64, 32
_SPSS_TEXT_BYTES, _STATA_TEXT_BYTES = 32_767, 2_045
_LABEL_CHARACTERS = 80
#: What no column may be called, in either program.
_RESERVED = {
    *("all", "and", "by", "eq", "ge", "gt", "le", "lt", "ne", "not", "or", "to", "with"),
    *("_all", "_b", "_n", "_pi", "_rc", "_se", "_skip", "byte", "double", "float", "if", "in", "int", "long", "strl", "using"),
}
#: Excel, SPSS and Stata hold numbers as float64: whole ones beyond this would come out as others.
_EXACT = 2**53


def write(frame: Any, path: str | os.PathLike[str]) -> Path:
    """Write a frame as CSV, Parquet, Excel, SPSS or Stata, as the name of the file says; return its path.

    In Excel texts stay texts, whatever they begin with. Times are UTC. SPSS and Stata get Hume's names as labels of the columns;
    names too long for them (64 bytes, 32 bytes) are cut, with a number where two would be the same, and stand whole in the label.

    Args:
        frame: A Query, pyarrow, polars or pandas frame: what `summarise` and the other analyses give.
        path: Ends in ``.csv``, ``.parquet``, ``.xlsx``, ``.sav`` or ``.dta``. What is there is replaced, once all is written.

    Raises:
        UsageError: The name ends in something else, its folder does not exist, or the program cannot hold the frame: too many
            rows, columns or characters for it, lists, whole numbers beyond 2**53.
        MissingExtra: ``.xlsx``, ``.sav`` and ``.dta`` need the extra ``stats``.

    Examples:
        >>> write(summarise(lake, per="participant"), "wide.sav")  # doctest: +SKIP
    """
    target = checked_path(path)
    table = to_arrow(frame, "frame")
    with whole(target) as temporary:
        _WRITERS[target.suffix.lower()](table, temporary)
    return target


def checked_path(path: str | os.PathLike[str]) -> Path:
    """Return the path of a file that `write` can write.

    Raises:
        UsageError: Its name ends in something else, or its folder does not exist.
    """
    target = Path(path).expanduser()
    if target.suffix.lower() not in _WRITERS:
        raise UsageError(f"{target.name} does not say what to write: it should end in {', '.join(_WRITERS)}.")
    _check_folder(target)
    return target


@contextmanager
def whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside ``path`` that takes its place when the block ends well.

    Raises:
        UsageError: The folder does not exist.
    """
    path = Path(path)
    _check_folder(path)
    temporary = path.with_name(f".{uuid.uuid4().hex}.{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)  # noqa: PTH105
    finally:
        temporary.unlink(missing_ok=True)


def _check_folder(path: Path) -> None:
    if not path.parent.is_dir():
        raise UsageError(f"There is no folder {path.parent} to write {path.name} to.")


def _csv(table: pa.Table, path: Path) -> None:
    import pyarrow.csv

    pyarrow.csv.write_csv(table, path)


def _parquet(table: pa.Table, path: Path) -> None:
    import pyarrow.parquet

    pyarrow.parquet.write_table(table, path, compression="zstd")


def _excel(table: pa.Table, path: Path) -> None:
    xlsxwriter = _needed("xlsxwriter")
    if table.num_rows >= _EXCEL_ROWS or table.num_columns > _EXCEL_COLUMNS:
        raise UsageError(
            f"Excel holds {_EXCEL_ROWS - 1:,} rows and {_EXCEL_COLUMNS:,} columns; here are {table.num_rows:,} and "
            f"{table.num_columns:,}. Write .csv or .parquet, or fewer."
        )
    columns = _plain(table, "Excel", _EXCEL_CHARACTERS, len)
    book = xlsxwriter.Workbook(str(path), {"constant_memory": True, "strings_to_numbers": False, "default_date_format": _TIMES})
    sheet, bold = book.add_worksheet(), book.add_format({"bold": True})
    sheet.freeze_panes(1, 0)
    for at, name in enumerate(table.column_names):
        sheet.set_column(at, at, max(9, min(len(name) + 1, 40)))
        sheet.write_string(0, at, name, bold)
    write_of = [_excel_cell(sheet, column.type) for column in columns]
    for row, values in enumerate(zip(*(column.to_pylist() for column in columns), strict=True), start=1):
        for at, (write_cell, value) in enumerate(zip(write_of, values, strict=True)):
            if value is not None:
                write_cell(row, at, value)
    book.close()


_TIMES = "yyyy-mm-dd hh:mm:ss"


def _excel_cell(sheet: Any, type_: pa.DataType) -> Any:
    """Return what writes a cell of a type: a text that begins with = must not calculate in somebody else's sheet."""
    if pa.types.is_boolean(type_):
        return sheet.write_boolean
    if pa.types.is_temporal(type_):
        return sheet.write_datetime
    return sheet.write_number if _is_number(type_) else sheet.write_string


def _spss(table: pa.Table, path: Path) -> None:
    _labelled(table, path, "SPSS", "write_sav", _SPSS_NAME_BYTES, _SPSS_TEXT_BYTES)


def _stata(table: pa.Table, path: Path) -> None:
    _labelled(table, path, "Stata", "write_dta", _STATA_NAME_BYTES, _STATA_TEXT_BYTES)


def _labelled(table: pa.Table, path: Path, program: str, writer: str, name_bytes: int, text_bytes: int) -> None:
    write_file = getattr(_needed("pyreadstat"), writer)
    columns = _plain(table, program, text_bytes, lambda text: len(text.encode()))
    columns = [column.cast(pa.int8()) if pa.types.is_boolean(column.type) else column for column in columns]
    names = _names(table.column_names, name_bytes)
    labels = [_label(field)[:_LABEL_CHARACTERS] for field in table.schema]
    frame = to_pandas(pa.table(columns, names=names))
    write_file(frame, str(path), column_labels=labels)


def _label(field: pa.Field) -> str:
    """Return what a column is: its whole name, and Hume's name of the expression where it has one."""
    told = (field.metadata or {}).get(b"hume_name", b"").decode()
    return f"{field.name} · {told}" if told else field.name


def _names(names: Sequence[str], most_bytes: int) -> list[str]:
    """Return names a program takes: letters, digits and lines, not too long, no two the same whatever their case."""
    taken: set[str] = set()
    made = []
    for name in names:
        plain = "".join(letter if letter.isalnum() or letter == "_" else "_" for letter in name)
        plain = plain if plain[:1].isalpha() and plain.lower() not in _RESERVED else f"v_{plain.lstrip('_')}"
        shown, number = _cut(plain, most_bytes), 1
        while shown.lower() in taken:
            number += 1
            shown = f"{_cut(plain, most_bytes - len(str(number)) - 1)}_{number}"
        taken.add(shown.lower())
        made.append(shown)
    return made


def _cut(text: str, most_bytes: int) -> str:
    return text.encode()[:most_bytes].decode(errors="ignore")


def _plain(table: pa.Table, program: str, most: int, size_of: Callable[[str], int]) -> list[pa.ChunkedArray]:
    """Return columns of numbers, truths, times without a zone (they are UTC) and texts that a program can hold."""
    columns = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        type_ = column.type
        if pa.types.is_dictionary(type_):
            column = column.cast(type_.value_type)
            type_ = column.type
        if pa.types.is_nested(type_) or pa.types.is_binary(type_):
            raise UsageError(f"{program} cannot hold {name}, which is {type_}. Leave it out, or write .parquet.")
        if pa.types.is_timestamp(type_):
            column = column.cast(pa.timestamp("us", type_.tz)).cast(pa.timestamp("us"))
        elif _is_number(type_):
            if pa.types.is_integer(type_) and any(abs(end or 0) > _EXACT for end in pc.min_max(column).as_py().values()):
                raise UsageError(f"{program} would round the whole numbers of {name}. Cast them to texts, or write .parquet.")
            column = column.cast(pa.float64())
            column = pc.if_else(pc.is_finite(column), column, None)
        elif not (pa.types.is_boolean(type_) or pa.types.is_temporal(type_) or pa.types.is_null(type_)):
            column = column.cast(pa.string())
            longest = max((size_of(text) for text in column.to_pylist() if text is not None), default=0)
            if longest > most:
                raise UsageError(f"{program} holds texts up to {most:,}; one of {name} has {longest:,}. Write .parquet or .csv.")
        columns.append(column)
    return columns


def _is_number(type_: pa.DataType) -> bool:
    return bool(pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_))


def _needed(library: str) -> Any:
    try:
        return importlib.import_module(library)
    except ImportError as error:
        raise MissingExtra.for_library(library, "stats") from error


_WRITERS: dict[str, Callable[[pa.Table, Path], None]] = {
    ".csv": _csv,
    ".parquet": _parquet,
    ".xlsx": _excel,
    ".sav": _spss,
    ".dta": _stata,
}
