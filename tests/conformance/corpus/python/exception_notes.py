error = ValueError("base")
error.add_note("first note")
error.add_note("second\nnote over two lines")
raise error
