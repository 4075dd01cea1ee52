"""Targets: functions of bytes that the engine runs. Import them by module, so that probes can be installed first."""
