//! Classic messages. A [`Message`] only comes out of verification or signing.
