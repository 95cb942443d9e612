"""Automatic mixed precision: products in a narrow type, what must be exact in float32, and gradients that stay visible.

    scaler = amp.GradScaler("cuda")
    for x, target in batches:
        optimizer.zero_grad()
        with tinydl.autocast("cuda", dtype=tinydl.float16):
            loss = F.cross_entropy(model(x), target)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()

Parameters stay float32, and so do their gradients: the cast to the narrow type is an operation like others.
Source: Micikevicius et al. 2018, Mixed precision training.
"""

from .autocast_mode import (
    autocast,
    custom_bwd,
    custom_fwd,
    get_autocast_dtype,
    is_autocast_available,
    is_autocast_enabled,
)
from .grad_scaler import GradScaler
