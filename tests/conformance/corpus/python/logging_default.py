import logging

log = logging.getLogger(__name__)
log.info("not shown")
log.warning("by the last resort handler")
logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(process)s".replace("%(process)s", "%(processName)s %(threadName)s %(filename)s:%(lineno)d %(message)s"))
log.info("shown")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("with a traceback")
print(logging.root.handlers[0].stream.name, len(logging.Logger.manager.loggerDict) >= 1)
