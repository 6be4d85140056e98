import agent
import confine
import frames
import messages
import mounts
import runner
import watch
import workspace
import zygote

for module in (agent, confine, frames, messages, mounts, runner, watch, workspace, zygote):
    print(module.__name__, module.__file__, module.WHO)
