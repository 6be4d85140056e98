"""The languages: one folder each, which is all that the rest of the house knows of one.

catalogue.py               reads every folder, and says what an image can run
<name>/language.toml       what it is called, runs by, needs, and keeps warm
<name>/requirements.txt    packages for Python that its programs may import
<name>/…                   programs of ours that run behind the walls for it alone
<name>/smoke.*             a program, whose output language.toml states
"""
