"""LSTM, GRU and RNN over whole sequences."""
