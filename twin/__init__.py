"""What is remembered: the state machine of twins, their JSON forms, the journal and the catalogue."""
