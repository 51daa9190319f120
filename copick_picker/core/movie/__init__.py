"""Movies of moving puncta: simulation, detection, linking, figures; nothing else imports this."""
