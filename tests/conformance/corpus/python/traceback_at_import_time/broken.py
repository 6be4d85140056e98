VALUE = {"a": 1}
OTHER = VALUE["a"]["b"]
