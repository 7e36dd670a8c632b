"""The cloud's APIs, asked by hooks of the engine and by `rack recover`: what exists, what failed, does it answer."""
