//! Tokens to a tree.

use super::ast::{Command, PieceKind, Pipeline, Redirection, Script, Target, Word};
use super::lex::{self, Cursor, RedirectionOperator, Token};
use super::request::Connector;
use super::{SyntaxError, characters, corners};
use crate::words::{Span, limits};

/// Parses one line. Of several mistakes the leftmost is reported.
///
/// # Errors
/// Whatever is not part of this shell, with its place and, where there is one, what to write instead.
pub fn parse(line: &[u8]) -> Result<Script, SyntaxError> {
    let line = characters::check(line)?;
    let mut parser = Parser::new(line)?;
    Ok(Script { line: line.to_owned(), pipelines: parser.list()? })
}

struct Parser<'a> {
    cursor: Cursor<'a>,
    /// The token to be judged next, and its span.
    token: Token,
    span: Span,
    /// The operator read last, if no command has followed it.
    operator: Option<Span>,
    words: usize,
}

impl<'a> Parser<'a> {
    fn new(line: &'a str) -> Result<Self, SyntaxError> {
        let mut cursor = Cursor { line, position: 0 };
        let (token, span) = lex::token(&mut cursor)?;
        Ok(Parser { cursor, token, span, operator: None, words: 0 })
    }

    /// Reads on, and gives the token that was next with its span.
    fn advance(&mut self) -> Result<(Token, Span), SyntaxError> {
        let (token, span) = lex::token(&mut self.cursor)?;
        Ok((std::mem::replace(&mut self.token, token), std::mem::replace(&mut self.span, span)))
    }

    /// Pipelines joined by `&&`, `||` and `;`, up to the end.
    fn list(&mut self) -> Result<Vec<Pipeline>, SyntaxError> {
        let mut pipelines = Vec::new();
        let mut connector = Connector::Always;
        while self.token != Token::End || connector != Connector::Always {
            let pipeline = self.pipeline(connector, pipelines.is_empty())?;
            pipelines.push(pipeline);
            connector = match self.token {
                Token::And => Connector::And,
                Token::Or => Connector::Or,
                _ => Connector::Always,
            };
            if self.token != Token::End {
                self.operator()?;
            }
        }
        Ok(pipelines)
    }

    /// Skips an operator, and remembers it until a command follows.
    fn operator(&mut self) -> Result<(), SyntaxError> {
        self.operator = Some(self.advance()?.1);
        Ok(())
    }

    fn pipeline(&mut self, connector: Connector, first: bool) -> Result<Pipeline, SyntaxError> {
        let negated = self.source(self.span) == "!" && matches!(self.token, Token::Word(_));
        if negated {
            self.operator()?;
        }
        let mut commands = vec![self.command(first)?];
        while self.token == Token::Pipe {
            self.operator()?;
            commands.push(self.command(first)?);
        }
        Ok(Pipeline { connector, negated, commands })
    }

    /// Words and redirections; `$?` is known in the first pipeline only.
    fn command(&mut self, first: bool) -> Result<Command, SyntaxError> {
        let (mut words, mut redirections) = (Vec::new(), Vec::new());
        loop {
            match &self.token {
                Token::Word(word) if words.is_empty() => {
                    corners::check_command(self.cursor.line, word)?;
                    words.push(self.word(first)?);
                }
                Token::Word(_) => words.push(self.word(first)?),
                Token::Redirection(operator) => {
                    let operator = *operator;
                    redirections.push(self.redirection(operator, first)?);
                }
                Token::Parenthesis => return Err(self.parenthesis(words.len())),
                Token::Pipe | Token::And | Token::Or | Token::Semicolon | Token::End => break,
            }
        }
        match (words.is_empty(), redirections.first()) {
            (false, _) => Ok(Command { words, redirections }),
            (true, Some(Redirection { span, .. })) => Err(SyntaxError::new("a redirection without a command does nothing", *span)),
            (true, None) => Err(self.missing_command()),
        }
    }

    /// The word that is next.
    fn word(&mut self, first: bool) -> Result<Word, SyntaxError> {
        let (token, span) = self.advance()?;
        let Token::Word(word) = token else {
            return Err(SyntaxError::new("a word is missing here", span));
        };
        self.operator = None;
        self.words += 1;
        if self.words > limits::LINE_WORDS {
            return Err(SyntaxError::new(format!("the line has more than {} words", limits::LINE_WORDS), word.span));
        }
        match word.pieces.iter().find(|piece| matches!(piece.kind, PieceKind::Status { .. })) {
            Some(piece) if !first => {
                Err(SyntaxError::new("`$?` is the status of the line before, and known in the first pipeline only", piece.span)
                    .with_help("`&&` and `||` test the status of the pipeline before"))
            }
            _ => Ok(word),
        }
    }

    fn redirection(&mut self, operator: RedirectionOperator, first: bool) -> Result<Redirection, SyntaxError> {
        let (_, span) = self.advance()?;
        if operator == RedirectionOperator::ErrorToOutput {
            return Ok(Redirection { target: Target::ErrorToOutput, span });
        }
        if !matches!(self.token, Token::Word(_)) {
            return Err(SyntaxError::new(format!("no file stands behind `{}`", self.source(span)), span));
        }
        let pending = self.operator;
        let file = self.word(first)?;
        self.operator = pending;
        if file.is_pattern() {
            return Err(
                SyntaxError::new("a glob cannot name the file of a redirection", file.span).with_help("write the name out, or quote it")
            );
        }
        let whole = span.to(file.span);
        let target = match operator {
            RedirectionOperator::Input => Target::Input(file),
            RedirectionOperator::Output { append } => Target::Output { file, append },
            _ if file.literal().as_deref() == Some("/dev/null") => Target::ErrorToNull,
            _ => {
                return Err(SyntaxError::new("`2>` goes to /dev/null only", whole)
                    .with_help("write `> FILE 2>&1` to keep the errors with the output"));
            }
        };
        Ok(Redirection { target, span: whole })
    }

    /// Why there is no command where one must stand.
    fn missing_command(&self) -> SyntaxError {
        match (&self.token, self.operator) {
            (Token::End, Some(operator)) => SyntaxError::new(format!("no command stands behind `{}`", self.source(operator)), operator),
            _ => SyntaxError::new(format!("no command stands before `{}`", self.source(self.span)), self.span),
        }
    }

    /// What a parenthesis behind `words` words of a command was meant to be.
    fn parenthesis(&self, words: usize) -> SyntaxError {
        let next = self.cursor.peek();
        let both = Span::new(self.span.start as usize, self.span.end as usize + 1);
        match (self.source(self.span), words) {
            ("(", 0) if next == Some('(') => SyntaxError::foreign("arithmetic", both),
            ("(", 0) => SyntaxError::foreign("a subshell", self.span).with_help("leave the parentheses out"),
            ("(", 1) if self.cursor.rest().trim_start().starts_with(')') => {
                SyntaxError::foreign("defining a function", self.span).with_help("write its commands out; `&&`, `||` and `;` join them")
            }
            (sign, _) => {
                SyntaxError::new(format!("an unquoted `{sign}` is not part of this shell"), self.span).with_help("quote the whole word")
            }
        }
    }

    fn source(&self, span: Span) -> &'a str {
        self.cursor.line.get(span.start as usize..span.end as usize).unwrap_or("")
    }
}
