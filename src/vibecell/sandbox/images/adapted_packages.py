"""What is done to Python packages that were installed for programs.

Owns the changes that make them at home where there is no screen and where nobody installs a font:
lines of ours at the ends of a few of their modules, fonts put where programs look for them, and
the list of all fonts, made ahead. Refuses to build where a module is not as it is known here:
a new version is looked at first. Like ``image_rules``, a copy of it goes into the build of
containers: it uses the standard library only.

Matplotlib looks for a glyph in every font that its ``FontManager`` names for a text, in that
order. So fonts that are named last, whatever fonts a program asks for, change nothing but what
would have been drawn as a box.

Source: https://matplotlib.org/stable/users/explain/text/fonts.html#font-fallback
"""

import shutil
from pathlib import Path

FONTS = Path("usr/share/fonts/truetype")
FONT_LIST = Path("usr/share/matplotlib/fontlist.json")
# The cell programs that interpreters import by name, for programs and at their start, and as what.
MODULES = {
    "vibecell_streams.py": Path("vibecell_streams.py"),
    "vibecell_display.py": Path("vibecell_display.py"),
    "figure_windows.py": Path("matplotlib/backends/backend_vibecell.py"),
}
# Of a package of fonts: where it has them, and the folder that they go to.
_FONT_PACKAGES = {
    "paperang_p2_fonts_cjk": ("fonts/*.ttc", "wqy"),
    "manimgx_fonts": ("*.ttf", "noto"),
}
# What Matplotlib's own font, DejaVu Sans, has as well.
_FONTS_LEFT_OUT = (
    "NotoSans[[]*", "NotoSans-*", "NotoSansArabic*", "NotoSansArmenian*", "NotoSansGeorgian*",
    "NotoSansHebrew*", "NotoSansLao*",
)  # fmt: skip
# Ends of modules, as they are and as they become.
_CHANGES = {
    "matplotlib/backends/backend_agg.py": (
        "    FigureManager = FigureManagerBase\n",
        """
from matplotlib.backends import backend_vibecell  # noqa: E402
FigureCanvasAgg.manager_class = backend_vibecell.FigureManager
FigureCanvasAgg.print_figure = backend_vibecell.noting(FigureCanvasAgg.print_figure)
""",
    ),
    # A window of whatever toolkit is one of ours.
    "matplotlib/backends/registry.py": (
        "backend_registry = BackendRegistry()\n",
        """

def _load_backend_module(self, backend, _load=BackendRegistry.load_backend_module):
    framework = self._BUILTIN_BACKEND_TO_GUI_FRAMEWORK.get(backend.lower(), "headless")
    return _load(self, backend if framework == "headless" else "agg")


BackendRegistry.load_backend_module = _load_backend_module
""",
    ),
    "PIL/ImageShow.py": (
        "        print(show(im, *sys.argv[2:]))\n",
        """

import vibecell_display  # noqa: E402
register(vibecell_display.Viewer(), 0)
""",
    ),
}
_FONT_MANAGER = "matplotlib/font_manager.py"
_FONT_MANAGER_END = "fontManager = _load_fontmanager()\n"
_FONT_MANAGER_CHANGED = """
def _find_fonts_by_props(self, prop, fontext="ttf", *arguments,
                         _find=FontManager._find_fonts_by_props, **options):
    found = _find(self, prop, fontext, *arguments, **options)
    if fontext == "ttf":
        return found + _LAST_FONTS
    return found


def _load_ahead():
    try:
        found = json_load({font_list!r})
    except (OSError, ValueError):
        return _load_fontmanager()
    return found if found._version == FontManager.__version__ else _load_fontmanager()


FontManager._find_fonts_by_props = _find_fonts_by_props
_LAST_FONTS = [FontPath(path, 0) for path in {fonts!r}]
fontManager = _load_ahead()
"""
#: Run by every interpreter at its start; it leaves no module behind.
START_LINE = "import sys, vibecell_streams; sys.modules.pop('vibecell_streams').take_over()\n"
_START = "vibecell_streams.pth"
_BUILTIN = "vibecell_display.pth"
_BUILTIN_LINE = (
    r'import builtins; exec("def display(*objects, **options):\n    import vibecell_display\n'
    r'    vibecell_display.display(*objects, **options)", {"__name__": "builtins"}, vars(builtins))'
    "\n"
)
# Fonts that programs ask for because their authors' systems have them.
_ALSO_CALLED = {
    "WenQuanYi Micro Hei": (
        "Apple SD Gothic Neo", "AppleGothic", "Arial Unicode MS", "Batang", "DengXian", "Dotum",
        "FangSong", "Gulim", "Heiti SC", "Heiti TC", "Hiragino Kaku Gothic Pro",
        "Hiragino Kaku Gothic ProN", "Hiragino Maru Gothic Pro", "Hiragino Sans",
        "Hiragino Sans GB", "IPAGothic", "IPAPGothic", "IPAexGothic", "KaiTi", "MS Gothic",
        "MS Mincho", "MS PGothic", "Malgun Gothic", "Meiryo", "Microsoft JhengHei",
        "Microsoft YaHei", "NSimSun", "NanumBarunGothic", "NanumGothic", "NanumMyeongjo",
        "Noto Sans CJK JP", "Noto Sans CJK KR", "Noto Sans CJK SC", "Noto Sans CJK TC",
        "Noto Sans JP", "Noto Sans KR", "Noto Sans SC", "Noto Sans TC", "Noto Serif CJK JP",
        "Noto Serif CJK KR", "Noto Serif CJK SC", "Noto Serif CJK TC", "PMingLiU", "PingFang HK",
        "PingFang SC", "PingFang TC", "STFangsong", "STHeiti", "STKaiti", "STSong", "STXihei",
        "SimHei", "SimSun", "Songti SC", "Source Han Sans CN", "Source Han Sans JP",
        "Source Han Sans SC", "TakaoGothic", "TakaoPGothic", "VL Gothic", "VL PGothic",
        "WenQuanYi Zen Hei", "Yu Gothic", "Yu Mincho", "YuGothic",
    ),
    "Noto Emoji": ("Apple Color Emoji", "Noto Color Emoji", "Segoe UI Emoji", "Segoe UI Symbol"),
}  # fmt: skip
#: Writes the list of all fonts to standard output; is told where packages are.
LIST_FONTS = f"""
import dataclasses, json, sys
sys.path.insert(0, sys.argv[1])
from matplotlib import font_manager
manager, called = font_manager.fontManager, {_ALSO_CALLED!r}
manager.ttflist += [
    dataclasses.replace(font, name=name)
    for font in manager.ttflist
    for name in called.get(font.name, ())
]
json.dump(manager, sys.stdout, cls=font_manager._JSONEncoder)
"""


def adapt(root: Path, folder: Path) -> None:
    """Change what was installed in a folder of an image.

    Args:
        root: of the image.
        folder: of its packages, below the root.

    Raises:
        ValueError: a package is another one than the changes were made for.
    """
    fonts = _move_fonts(root, root / folder)
    for name, (end, more) in _CHANGES.items():
        _change(root / folder / name, end, end + more)
    changed = _FONT_MANAGER_CHANGED.format(
        font_list=str(Path("/", FONT_LIST)), fonts=[str(Path("/", font)) for font in fonts]
    )
    _change(root / folder / _FONT_MANAGER, _FONT_MANAGER_END, changed)
    (root / folder / _BUILTIN).write_text(_BUILTIN_LINE)


def place(cell_programs: Path, packages: Path) -> list[Path]:
    """Copy what interpreters import by name to where they find packages; returns the files.

    A zygote finds its own where all cell programs are.

    Source: https://docs.python.org/3/library/site.html, "path configuration file"
    """
    placed = []
    for name, module in MODULES.items():
        target = packages / module
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)  # another image may have the same file
        placed.append(Path(shutil.copyfile(cell_programs / name, target)))
    start = packages / _START
    start.unlink(missing_ok=True)
    start.write_text(START_LINE)
    return [*placed, start]


def _change(path: Path, old: str, new: str) -> None:
    if not path.is_file():
        return  # an image without that package
    text = path.read_text(encoding="utf-8")
    if text.count(old) != 1:
        raise ValueError(f"{path.name} is not the one that is known: {old.strip()} is not in it")
    path.write_text(text.replace(old, new), encoding="utf-8")


def _move_fonts(root: Path, folder: Path) -> list[Path]:
    """Put fonts where every program looks for them; returns them, below the root."""
    moved = []
    for package, (pattern, family) in _FONT_PACKAGES.items():
        for font in sorted((folder / package).glob(pattern)):
            if not any(font.match(left_out) for left_out in _FONTS_LEFT_OUT):
                target = FONTS / family / font.name
                (root / target).parent.mkdir(parents=True, exist_ok=True)
                shutil.move(font, root / target)
                moved.append(target)
        shutil.rmtree(folder / package, ignore_errors=True)
        for told in folder.glob(f"{package}-*.dist-info"):
            shutil.rmtree(told)
    return moved
