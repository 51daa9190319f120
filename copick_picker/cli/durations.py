"""Durations in words."""


def duration(seconds: float) -> str:
    """Return a duration with its unit.

    Parameters
    ----------
    seconds : float
        Seconds.

    Examples
    --------
    >>> duration(3.21), duration(90), duration(600), duration(9000)
    ('3.2 s', '90 s', '10 min', '2.5 h')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
