"""Outer walls that are containers of a Docker engine, and the images that they need.

Owns all that is asked of the daemon; refuses to believe that it was done: what protects is
looked at. The one wing that imports Docker's library.

docker_walls.py    the tool, as ``outer_walls.Walls`` has it
container_wall.py  one container around one zygote: how they meet, and how they end
container.py       every option of a container (pure)
first_process.py   its first process, as this host's kernel shows it
roster.py          which containers are ours
strays.py          those that nobody owns any more
client.py          calls of the daemon, in threads, bounded in time

image.py           what runtime images are called, and which the daemon has
image_build.py     building one from a base image
Dockerfile         its stages
fill_image.py      what runs inside that build
sealed_run.py      one program in a container that can do nothing else
wheels.py          packages for the interpreter of an image
"""
