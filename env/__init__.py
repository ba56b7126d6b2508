"""The frozen environment: data, tokenizer, trials and scores that no candidate can change."""
