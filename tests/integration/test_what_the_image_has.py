"""Programs that the image has work, with whatever data they read; each line is one of them."""

import shutil

import pytest
import requests

from host import Service, lacking

# What is run, and what it prints.
BASH = {
    "printf 'a b\\ncc d\\n' | column -t": "a   b\ncc  d\n",
    "echo hi > h.txt && file -b h.txt": "ASCII text\n",
    "printf 'abcdef\\1' | strings": "abcdef\n",
    "perl -Mstrict -MList::Util=sum -MPOSIX=floor -e 'print sum(1, 2), floor(2.7)'": "32",
    "echo page | less": "page\n",
    "printf 'x:\\n\\t@echo made\\n' | make -f - x": "made\n",
    "echo hi > z.txt && zip -q z.zip z.txt && unzip -p z.zip z.txt": "hi\n",
    "getent passwd user": "user:x:1000:1000:user:/workspace:/bin/bash\n",
    "dash -c 'echo $0'": "dash\n",
    "stdbuf -oL echo line": "line\n",
    "printf '\\303\\251' | iconv -f utf-8 -t latin1 | xxd -p": "e9\n",
    "printf '\\343\\201\\202' | iconv -t SHIFT_JIS | xxd -p": "82a0\n",
    "(. /etc/os-release && test -n \"$ID\" && echo named)": "named\n",
    "for t in xterm screen tmux-256color linux vt100; do TERM=$t tput cols; done": "80\n" * 5,
    "TZ=Asia/Kathmandu date +%z": "+0545\n",
    "python3 -c 'import ctypes.util as u; print(u.find_library(\"c\"), u.find_library(\"m\"))'": (
        "libc.so.6 libm.so.6\n"
    ),
    "python3 -c 'import mimetypes; print(mimetypes.guess_type(\"a.docx\")[0][-8:])'": "document\n",
    "python3 -c 'import platform; print(\"ID\" in platform.freedesktop_os_release())'": "True\n",
}  # fmt: skip
GIT = """
git config --global user.email a@b.c && git config --global user.name n && export HOME=$PWD
cd /tmp && git init -q -b main r && cd r
echo 1 > f && git add f && git commit -qm one && echo 2 > f && git commit -qam two
git clone -q . ../c && cd ../c && echo 3 > f && git commit -qam three && git push -q origin main:b
cd ../r && git merge -q b && git log --oneline | wc -l && git rev-list --all | wc -l && cat f
"""


def said(service: Service, code: str) -> tuple[object, object, object]:
    asked = {"language": "bash", "code": code}
    answer = requests.post(f"{service.url}/execute", json=asked, timeout=30).json()
    return answer["verdict"], answer["output"], answer["error"]


def test_each_program_works(running_service: Service) -> None:
    for name in ("column", "file", "less", "make", "perl", "strings", "unzip", "xxd", "zip"):
        if shutil.which(name) is None:
            lacking(name)
    code = "\n".join(f"{line}\necho '= {number}'" for number, line in enumerate(BASH))
    verdict, output, error = said(running_service, code)
    expected = "".join(f"{text}= {number}\n" for number, text in enumerate(BASH.values()))
    assert (verdict, output, error) == ("accepted", expected, "")


def test_git_works_in_the_cell(running_service: Service) -> None:
    if shutil.which("git") is None:
        lacking("git")
    verdict, output, error = said(running_service, GIT)
    assert (verdict, output, error) == ("accepted", "3\n3\n3\n", "")


@pytest.mark.parametrize(
    "code", ["frobnicate -x", "sh -c frobnicate", "env frobnicate", "echo | xargs frobnicate"]
)
def test_a_program_that_is_not_there_is_named(running_service: Service, code: str) -> None:
    _, _, error = said(running_service, code)
    assert str(error).endswith("the command 'frobnicate' is not installed")
