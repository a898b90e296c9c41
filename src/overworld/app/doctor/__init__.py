"""`overworld doctor`: looks at everything that a server needs, says what is wrong and what to do. Changes nothing."""
