PREFIX = "> "
