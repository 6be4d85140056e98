"""Both of the interpreter's own marks of a finished program, taken away by hand."""
del __file__, __cached__
raise SystemExit(4)
