# case: {"stdin": "1 + 1\nx\nimport sys\nsys.exit(8)\n"}
import code

code.interact(banner="banner", local={"x": "local"}, exitmsg="bye")
