import _xxsubinterpreters as interpreters

for _ in range(2):
    made = interpreters.create()
    interpreters.run_string(
        made,
        "import json, sys; print(json.dumps([1]), sys.path, sorted(sys.modules), flush=True)\n"
        "print(sorted(k for k in sys.path_importer_cache if 'vibecell' in k), flush=True)",
    )
    interpreters.destroy(made)
print("done")
