from app import run
from app.tools import text

print(run("abc"), text.__package__, text.__name__)
import app

print(app.__path__, app.__file__, sorted(n for n in dir(app) if not n.startswith("_")))
from importlib import resources

print(resources.files("app").joinpath("data.txt").read_text())
