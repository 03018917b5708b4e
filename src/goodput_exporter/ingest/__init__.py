"""Where agents' pushes arrive: who sends, is it whole, was it here, is it committed."""
