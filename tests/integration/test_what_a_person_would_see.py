"""Figures, pictures and tables of real programs, as whoever asks by HTTP is shown them."""

import base64
import io
import struct
import zlib

import pytest
import requests

from host import Service

PLOT = "import matplotlib.pyplot as plt\nplt.plot([1, 4, 2])\n"


def execute(service: Service, code: str, **fields: object) -> dict[str, object]:
    asked = {"code": code, **fields}
    answer = requests.post(f"{service.url}/execute", json=asked, timeout=30).json()
    assert answer["displays_left_out"] == 0
    return answer  # type: ignore[no-any-return]


def shown(answer: dict[str, object]) -> list[str]:
    """The first form of each thing that was shown."""
    return [display["media_types"][0] for display in answer["displays"]]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("code", "forms"),
    [
        (PLOT + "plt.show()", ["image/png"]),
        ("import matplotlib\nmatplotlib.use('Agg')\n" + PLOT + "plt.show()", ["image/png"]),
        ("import matplotlib\nmatplotlib.use('TkAgg')\n" + PLOT + "plt.show()", ["image/png"]),
        (PLOT + "plt.figure()\nplt.plot([2, 1])", ["image/png"] * 2),
        (PLOT + "raise SystemExit(3)", ["image/png"]),
        (PLOT + "plt.savefig('plot.png')", []),
        (PLOT + "plt.close()", []),
        (PLOT + "plt.show()\nplt.show()", ["image/png"]),
        (PLOT + "plt.show(block=False)\nplt.pause(0.01)\nplt.close()", ["image/png"]),
        (
            "import matplotlib.pyplot as plt\nplt.ion()\n"
            "for n in range(9):\n    plt.plot([n, 1])\n    plt.pause(0.01)",
            ["image/png"] * 2,  # the first and the last state of what moved
        ),
        (PLOT + "display(plt.gcf())", ["image/png"]),
        ("import matplotlib.pyplot as plt\nplt.figure()", []),
        ("from PIL import Image\nImage.new('CMYK', (9, 9)).show()", ["image/png"]),
        ("from PIL import Image\nImage.effect_noise((1500, 1500), 99).show()", ["image/jpeg"]),
        ("import pandas\ndisplay(pandas.DataFrame({'a': [1]}))", ["text/html"]),
    ],
)
def test_what_would_be_on_the_screen_is_shown(
    running_service: Service, code: str, forms: list[str]
) -> None:
    answer = execute(running_service, code)
    assert (shown(answer), answer["error"]) == (forms, "")


def test_a_process_of_its_own_shows_its_figures_as_the_program_does(
    running_service: Service,
) -> None:
    files = [{"path": "plot.py", "content": PLOT + "print(plt.get_backend())"}]
    code = "import subprocess\nsubprocess.run(['python3', 'plot.py'])"
    answer = execute(running_service, code, files=files)
    assert (answer["output"], shown(answer), answer["error"]) == ("agg\n", ["image/png"], "")


def test_a_forked_child_does_not_show_its_parents_figures(running_service: Service) -> None:
    code = PLOT + "import os\nif os.fork() == 0:\n    raise SystemExit\nos.wait()"
    assert shown(execute(running_service, code)) == ["image/png"]


def test_many_large_figures_that_were_left_open_do_not_end_a_program(
    running_service: Service,
) -> None:
    code = (
        "import matplotlib.pyplot as plt, numpy\n"
        "for n in range(6):\n    plt.figure(figsize=(8, 6), dpi=100)\n"
        "    plt.imshow(numpy.random.rand(300, 300))"
    )
    answer = execute(running_service, code, limits={"wall_time_ms": 20_000})
    assert answer["verdict"] == "accepted"
    assert 1 <= len(shown(answer)) < 6


@pytest.mark.parametrize(
    "text", ["气温最高 氣溫", "テスト ひらがな", "기온 한글", "✅ 🐍 😀 🫠", "तापमान", "อุณหภูมิ"]
)
def test_labels_have_their_glyphs_whatever_font_is_asked_for(
    running_service: Service, text: str
) -> None:
    code = (
        "import matplotlib.pyplot as plt\nplt.rcParams['font.family'] = 'serif'\n"
        f"plt.figure().text(0.1, 0.1, {text!r}, family='monospace')\nplt.title({text!r})\n"
        "plt.show()\nplt.plot([1])\n"
        f"plt.xlabel({text!r})\nplt.savefig('plot.pdf')\nplt.savefig('plot.svg')"
    )
    answer = execute(running_service, code)
    assert (answer["verdict"], answer["error"]) == ("accepted", "")


@pytest.mark.parametrize("name", ["SimHei", "Malgun Gothic", "IPAexGothic", "Segoe UI Emoji"])
def test_a_font_of_another_system_is_found(running_service: Service, name: str) -> None:
    code = (
        f"import matplotlib.pyplot as plt\nplt.rcParams['font.sans-serif'] = [{name!r}]\n"
        "plt.title('中文 한글 テスト 😀')\nplt.show()"
    )
    answer = execute(running_service, code)
    assert (shown(answer), answer["error"]) == (["image/png"], "")


def test_a_warning_names_the_line_of_the_program(running_service: Service) -> None:
    code = "import matplotlib.pyplot as plt\nplt.title('\\ue0ff')\nplt.show()"
    said = str(execute(running_service, code)["error"])
    assert "/workspace/main.py:3: UserWarning: Glyph" in said
    assert "vibecell" not in said


def test_the_font_list_is_made_ahead(running_service: Service) -> None:
    code = "HOME=$PWD python3 -c 'import matplotlib.font_manager as f; print(f.findfont(\"wqy\"))'"
    answer = execute(running_service, code + "\nls -A", language="bash")
    last = str(answer["output"]).splitlines()[-1]
    assert last == "main.sh", "no cell writes a list of its own"


def test_a_plot_is_the_picture_that_was_drawn(running_service: Service) -> None:
    code = (
        "import matplotlib.pyplot as plt\nplt.figure(figsize=(2, 1), dpi=50, facecolor='#ff0000')\n"
        "plt.show()"
    )
    (display,) = execute(running_service, code)["displays"]  # type: ignore[misc]
    data = base64.b64decode(display["data"]["image/png"])
    width, height = struct.unpack_from("!II", data, 16)
    assert (width, height) == (100, 50)
    pixels, file = b"", io.BytesIO(data[8:])
    while header := file.read(8):
        length, kind = struct.unpack("!I4s", header)
        pixels += file.read(length) if kind == b"IDAT" else file.read(length)[:0]
        file.read(4)
    assert zlib.decompress(pixels)[1:5] == b"\xff\x00\x00\xff"
