"""The one word that says how an execution ended.

Owns the vocabulary (the judges' standard terms); refuses to decide: judging
facts is ``engine/verdict.py``.
"""

from enum import StrEnum


class Verdict(StrEnum):
    """How a stage, or the whole execution, ended."""

    ACCEPTED = "accepted"
    WRONG_ANSWER = "wrong_answer"
    COMPILATION_ERROR = "compilation_error"
    RUNTIME_ERROR = "runtime_error"
    TIME_LIMIT_EXCEEDED = "time_limit_exceeded"
    MEMORY_LIMIT_EXCEEDED = "memory_limit_exceeded"
    OUTPUT_LIMIT_EXCEEDED = "output_limit_exceeded"
    PROCESS_LIMIT_EXCEEDED = "process_limit_exceeded"
    WORKSPACE_LIMIT_EXCEEDED = "workspace_limit_exceeded"
    CANCELLED = "cancelled"
    INTERNAL_ERROR = "internal_error"
