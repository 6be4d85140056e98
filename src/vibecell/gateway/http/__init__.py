"""The HTTP/1.1 server: gevent's pywsgi, with the bounds and the strictness it lacks."""
