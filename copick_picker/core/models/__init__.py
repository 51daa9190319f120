"""Network registry: names to `torch.nn.Module`."""
