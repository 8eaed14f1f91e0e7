"""Whether anybody stands behind a lock: by its age, and by the process that made it.

locks/<id> -> LockRecord -> stale, as restic would say when asked to; or abandoned, beyond doubt
"""

from __future__ import annotations

import time

import msgspec

from vml_jupyter.errors import Foreign, LogbookDamaged
from vml_jupyter.parsing import Parser
from vml_jupyter.repository import gotime
from vml_jupyter.repository.identity import hostname, process_exists, process_space
from vml_jupyter.repository.records import LockRecord

STALE_S = 30 * 60
_UNSURE_S = 10 * 60  # restic renews its locks every five minutes
_parser = Parser(LockRecord)


def decode_lock(raw: bytes, id: str) -> LockRecord:
    """Return the record of ``locks/<id>``.

    Raises:
        LogbookDamaged: It is no lock.
    """
    try:
        record = _parser.parse(raw)
        gotime.parse_time(record.time)
        return record
    except (msgspec.DecodeError, Foreign) as error:
        raise LogbookDamaged(f"locks/{id} is damaged: {error}") from error


def is_stale(lock: LockRecord) -> bool:
    """Tell whether nobody stands behind ``lock`` any more, as restic would."""
    return _age_s(lock) > STALE_S or _is_of_the_dead(lock)


def is_abandoned(lock: LockRecord, stored_age_s: float) -> bool:
    """Tell whether a lock may be removed though nobody said so.

    Its age must be beyond doubt, by the clocks of whoever made it and of the store; and its process must be known
    to be one of this computer's, or container's, of which others may have the same name.
    """
    if _age_s(lock) > STALE_S and stored_age_s > STALE_S:
        return True
    if lock.space:
        return lock.space == process_space() and not process_exists(lock.pid)
    return stored_age_s > _UNSURE_S and _is_of_the_dead(lock)


def _is_of_the_dead(lock: LockRecord) -> bool:
    return lock.hostname == hostname() and lock.pid > 0 and not process_exists(lock.pid)


def _age_s(lock: LockRecord) -> float:
    return time.time() - gotime.parse_time(lock.time) / 1e9
