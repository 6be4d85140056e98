"""Which families of measures there are.

Owns the one list: names, kinds, words and labels; what is not in it is shown to nobody. Names and
units are as Prometheus wants them (seconds, bytes), and each label is one fact, of which there
are few: a language that is offered, a route's rule, a verdict; never a user, a key or an id.

Source: https://prometheus.io/docs/practices/naming/
"""

from collections.abc import Mapping

from vibecell.model.measures import Family, Kind

#: Of requests and of steps of an execution, in seconds.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
#: Of what may take long: WebSockets, and whoever waits for his turn.
LONG_SECONDS = (0.01, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600)
_MIB = 1024 * 1024
BYTES = tuple(float(mib * _MIB) for mib in (4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048))
#: In place of the name of the place that executions go to by default, and where no cell was
#: needed. No setting can name a place like that.
DEFAULT_PLACE, NO_PLACE = "(default)", "(none)"
NO_CREDENTIAL = "none"

_ALL: dict[str, Family] = {}
#: Every family, by its name.
FAMILIES: Mapping[str, Family] = _ALL


def _family(
    kind: Kind, name: str, text: str, *labels: str, bounds: tuple[float, ...] = ()
) -> Family:
    made = _ALL[name] = Family(name, kind, text, labels, bounds)
    return made


# --- the engine's: executions
EXECUTIONS = _family(
    "counter",
    "vibecell_executions",
    "Executions that have ended, by what was shown for them (credential)",
    "language",
    "verdict",
    "place",
    "credential",
)
BEGUN = _family("counter", "vibecell_executions_begun", "Executions that were accepted")
REFUSALS = _family(
    "counter",
    "vibecell_admission_refusals",
    "Executions that the engine did not accept, by the kind of error",
    "reason",
)
RUNNING = _family("gauge", "vibecell_executions_running", "Executions that have a place")
QUEUED = _family("gauge", "vibecell_queue_depth", "Executions that wait for their turn")
PARKED = _family(
    "gauge", "vibecell_executions_parked", "Executions that gave their place back for input to come"
)
KEPT = _family("gauge", "vibecell_executions_kept", "Executions that can still be asked about")
EVENT_LOG_BYTES = _family("gauge", "vibecell_event_log_bytes", "What the event logs take")
QUEUE_SECONDS = _family(
    "histogram",
    "vibecell_queue_wait_seconds",
    "From acceptance to its turn",
    bounds=LONG_SECONDS,
)
START_SECONDS = _family(
    "histogram",
    "vibecell_execution_start_seconds",
    "From its turn until its (last) program runs",
    "place",
    bounds=SECONDS,
)
FIRST_OUTPUT_SECONDS = _family(
    "histogram",
    "vibecell_execution_first_output_seconds",
    "From acceptance to the first output, where there was any",
    "place",
    bounds=SECONDS,
)
RUN_SECONDS = _family(
    "histogram",
    "vibecell_execution_run_seconds",
    "How long its programs ran",
    "language",
    bounds=SECONDS,
)
PROCESSOR_SECONDS = _family(
    "counter", "vibecell_execution_cpu_seconds", "Processor time that programs used", "language"
)
MEMORY_BYTES = _family(
    "histogram",
    "vibecell_execution_memory_bytes",
    "The most memory that a program used at once, where it is known",
    "language",
    bounds=BYTES,
)
OUTPUT_BYTES = _family(
    "counter", "vibecell_execution_output_bytes", "What programs wrote and displayed", "language"
)
CELLS_LOST = _family(
    "counter",
    "vibecell_cells_lost",
    "Cells of executions that were lost, by the step of their life in which they were",
    "step",
    "place",
)

# --- the engine's: pools
POOL_CELLS = _family(
    "gauge", "vibecell_pool_cells", "Cells, by what they do", "place", "profile", "state"
)
POOL_TARGET = _family(
    "gauge", "vibecell_pool_target_cells", "How many are to wait warm", "place", "profile"
)
POOL_WAITING = _family(
    "gauge", "vibecell_pool_waiting", "Executions that wait for a cell", "place", "profile"
)
POOL_TAKES = _family(
    "counter",
    "vibecell_pool_takes",
    "Cells asked for: one was warm (hit), or was not (miss)",
    "place",
    "profile",
    "outcome",
)
CELL_SECONDS = _family(
    "histogram",
    "vibecell_cell_making_seconds",
    "From the beginning of a cell until it is warm",
    "place",
    "profile",
    bounds=SECONDS,
)
CELL_FAILURES = _family(
    "counter", "vibecell_cell_making_failures", "Cells that could not be made", "place", "profile"
)
ZYGOTES_STARTED = _family(
    "counter", "vibecell_zygotes_started", "Zygotes that became ready", "place", "profile"
)
ZYGOTES_LOST = _family(
    "counter",
    "vibecell_zygotes_lost",
    "Zygotes that ended by themselves, or could not make a cell",
    "place",
    "profile",
)
ZYGOTES_FAILED = _family(
    "counter", "vibecell_zygotes_failed", "Zygotes that could not be started", "place", "profile"
)

# --- the engine's: the host
PRESSURE = _family(
    "counter",
    "vibecell_host_pressure_seconds",
    "How long some, or all, tasks of the host were stalled for a resource (PSI)",
    "resource",
    "tasks",
)
FREE_BYTES = _family(
    "gauge", "vibecell_directory_free_bytes", "What is free where a directory is", "directory"
)
SIZE_BYTES = _family(
    "gauge", "vibecell_directory_size_bytes", "How much there is where a directory is", "directory"
)
FREE_UID_BLOCKS = _family(
    "gauge", "vibecell_uid_blocks_free", "Blocks of uids that a further wall can have; as root"
)
CGROUPS = _family(
    "gauge", "vibecell_cgroups", "Cgroups of cells and walls, those in stock included"
)
ENGINE_RESTARTS = _family(
    "counter", "vibecell_engine_restarts", "How often the engine was started again"
)
READY = _family("gauge", "vibecell_ready", "Whether the engine takes executions")
BUILD = _family(
    "gauge", "vibecell_build_info", "What serves; always 1", "version", "python", "backend"
)


# --- both, each of its own
AUDIT_ACTS = _family(
    "counter",
    "vibecell_audit_acts",
    "Acts that were to be audited, by what became of them",
    "process",
    "outcome",
)
AUDIT_WAITING = _family(
    "gauge", "vibecell_audit_waiting", "Acts that wait to be written into the audit", "process"
)

# --- the gateway's
GATEWAY_RESTARTS = _family(
    "counter", "vibecell_gateway_restarts", "How often the gateway was started again"
)
REQUESTS = _family(
    "counter", "vibecell_http_requests", "HTTP requests answered", "method", "route", "status"
)
REQUEST_SECONDS = _family(
    "histogram",
    "vibecell_http_request_seconds",
    "Time to the response's header",
    "route",
    bounds=SECONDS,
)
PROBLEMS = _family(
    "counter", "vibecell_problems", "Refusals that clients were told, by the problem", "problem"
)
RESULTS = _family(
    "counter",
    "vibecell_results_told",
    "Results that clients were told, those of an engine that was lost included",
    "verdict",
)
CONNECTIONS = _family("gauge", "vibecell_connections", "Open connections")
CONNECTIONS_ENDED = _family(
    "counter",
    "vibecell_connections_ended",
    "Connections that ended by no request's wish, by reason",
    "reason",
)
RECEIVED_BYTES = _family("counter", "vibecell_received_bytes", "What clients have sent")
SENT_BYTES = _family("counter", "vibecell_sent_bytes", "What clients were sent")
OPEN_REQUESTS = _family("gauge", "vibecell_open_requests", "Requests and streams being served")
WEBSOCKETS = _family("gauge", "vibecell_websockets", "Open WebSockets")
WEBSOCKET_SECONDS = _family(
    "histogram",
    "vibecell_websocket_seconds",
    "How long WebSockets were open, once they have ended",
    bounds=LONG_SECONDS,
)
