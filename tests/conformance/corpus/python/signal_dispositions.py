import signal

for number in sorted(signal.valid_signals()):
    try:
        handler = signal.getsignal(number)
    except ValueError as error:
        handler = error
    name = getattr(handler, "__name__", handler)
    print(int(number), name)
print(signal.pthread_sigmask(signal.SIG_BLOCK, []), signal.sigpending())
print(signal.getitimer(signal.ITIMER_REAL), signal.set_wakeup_fd(-1))
for line in open("/proc/self/status"):
    if line.startswith(("Sig", "Shd")) and not line.startswith("SigQ"):
        print(line.strip())
