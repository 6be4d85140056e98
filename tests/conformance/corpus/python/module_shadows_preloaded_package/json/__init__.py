from .deeper import ours
